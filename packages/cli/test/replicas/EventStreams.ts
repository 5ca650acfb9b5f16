import { Event } from "@devops-mcp/domain/Event"
import { Effect, Option, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { sign } from "@octokit/webhooks-methods"

const field = (block: string, name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1]

const decodeEvent = Schema.decodeOption(Schema.fromJsonString(Event))

/** Opens a stream of events, after one or from now on, and reads it frame by frame. */
export const eventStream = Effect.fnUntraced(function* (url: string, key: string, lastEventId?: string) {
  const request = HttpClientRequest.get(`${url}/api/v1/events/stream`).pipe(
    HttpClientRequest.bearerToken(key),
    lastEventId === undefined ? (self) => self : HttpClientRequest.setHeader("last-event-id", lastEventId)
  )
  const response = yield* HttpClient.execute(request)
  if (response.status !== 200) return yield* Effect.die(new Error(`The stream answers ${response.status}`))
  const frames = response.stream.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.split((line) => line === ""),
    Stream.map((lines) => lines.join("\n")),
    Stream.filter((block) => block !== "" && !block.startsWith(":")),
    Stream.map((block) => ({
      id: field(block, "id"),
      event: Option.getOrUndefined(decodeEvent(field(block, "data") ?? ""))
    }))
  )
  const pull = yield* Stream.toPull(Stream.rechunk(frames, 1))
  const next = Effect.map(pull, ([frame]) => frame)
  // Without data: where the stream begins.
  const beginning = yield* next
  return { beginning, next }
})

const Accepted = Schema.fromJsonString(Schema.Struct({ deliveryId: Schema.String }))

/** Posts a signed delivery of GitHub; answers its id. */
export const postDelivery = Effect.fnUntraced(function* (url: string, secret: string, delivery: string) {
  const body = `{"zen":"${delivery}"}`
  const signature = yield* Effect.promise(() => sign(secret, body))
  const request = HttpClientRequest.post(url).pipe(
    HttpClientRequest.setHeaders({
      "x-hub-signature-256": signature,
      "x-github-delivery": delivery,
      "x-github-event": "ping"
    }),
    HttpClientRequest.bodyText(body, "application/json")
  )
  const response = yield* HttpClient.execute(request)
  return (yield* Schema.decodeEffect(Accepted)(yield* response.text)).deliveryId
})
