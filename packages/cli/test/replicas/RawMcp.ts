import { type Cause, Effect, Queue, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"

const Message = Schema.Struct({
  id: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.String, Schema.Finite]))),
  method: Schema.optionalKey(Schema.String),
  params: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  result: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  error: Schema.optionalKey(Schema.Struct({ code: Schema.Int, message: Schema.String }))
})
export type Message = typeof Message.Type

const decode = Schema.decodeUnknownEffect(Message)
const decodeText = Schema.decodeEffect(Schema.fromJsonString(Message))

/** One event of a stream; without data it only names a place to resume from. */
export interface StreamEvent {
  readonly id: string | undefined
  readonly message: Message | undefined
}

const eventOf = Effect.fnUntraced(function* (block: string) {
  const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, "m").exec(block)?.[1]
  const data = field("data")
  if (data === undefined) return []
  const event: StreamEvent = {
    id: field("id"),
    message: data === "" ? undefined : yield* Effect.orDie(decodeText(data))
  }
  return [event]
})

/** Reads a response's events until it ends, breaks, or the scope closes. */
const reading = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  const events = yield* Queue.unbounded<StreamEvent, Cause.Done>()
  yield* response.stream.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.mapAccum(
      () => "",
      (block: string, line: string): readonly [string, ReadonlyArray<string>] =>
        line === "" ? ["", [block]] : [`${block}${line}\n`, []]
    ),
    Stream.mapEffect(eventOf),
    Stream.flatMap(Stream.fromArray),
    Stream.runForEach((event) => Queue.offer(events, event)),
    Effect.ignore,
    Effect.andThen(Queue.end(events)),
    Effect.forkScoped({ startImmediately: true })
  )
  /** The next message of a method, whatever is said before it. */
  const hear = (method: string): Effect.Effect<Message, Cause.Done> =>
    Effect.flatMap(Queue.take(events), ({ message }) =>
      message?.method === method ? Effect.succeed(message) : hear(method)
    )
  return { next: Queue.take(events), hear, over: Queue.await(events), rest: Queue.collect(events) }
})

const accept = { accept: "application/json, text/event-stream" }

const send = (request: HttpClientRequest.HttpClientRequest, key: string, headers: Record<string, string>) =>
  HttpClient.execute(HttpClientRequest.setHeaders(request, { ...accept, authorization: `Bearer ${key}`, ...headers }))

const answerOf = (response: HttpClientResponse.HttpClientResponse) => Effect.flatMap(response.json, decode)

const revision = "2026-07-28"

/** A client of 2026-07-28 that can be given tasks. Every request stands alone, so each names its server. */
export const modernClient = (key: string) => {
  const post = (url: string, method: string, params: Record<string, unknown>) => {
    const name = params["name"] ?? params["taskId"] ?? params["uri"]
    return send(
      HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${url}/mcp`), {
        jsonrpc: "2.0",
        id: 1,
        method,
        params: {
          ...params,
          _meta: {
            "io.modelcontextprotocol/protocolVersion": revision,
            "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
            "io.modelcontextprotocol/clientInfo": { name: "replicas", version: "1" }
          }
        }
      }),
      key,
      {
        "mcp-protocol-version": revision,
        "mcp-method": method,
        ...(typeof name === "string" ? { "mcp-name": name } : {})
      }
    )
  }
  return {
    ask: (url: string, method: string, params: Record<string, unknown> = {}) =>
      Effect.flatMap(post(url, method, params), answerOf),
    listen: (url: string, notifications: Record<string, unknown>) =>
      Effect.flatMap(post(url, "subscriptions/listen", { notifications }), reading)
  }
}

/** A client of 2025-11-25 with a session, which is good at every replica. */
export const sessionClient = Effect.fnUntraced(function* (key: string, first: string) {
  const post = (url: string, message: Record<string, unknown>, headers: Record<string, string> = {}) =>
    send(
      HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${url}/mcp`), { jsonrpc: "2.0", ...message }),
      key,
      headers
    )
  const initialized = yield* post(first, {
    id: 0,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "replicas", version: "1" } }
  })
  const session = {
    "mcp-session-id": initialized.headers["mcp-session-id"] ?? "",
    "mcp-protocol-version": "2025-11-25"
  }
  yield* post(first, { method: "notifications/initialized" }, session)

  let ids = 0
  const request = (url: string, method: string, params: Record<string, unknown>) =>
    post(url, { id: ++ids, method, params }, session)
  return {
    /** For an answer that comes at once. */
    ask: (url: string, method: string, params: Record<string, unknown> = {}) =>
      Effect.flatMap(request(url, method, params), answerOf),
    /** For an answer with something before it. */
    stream: (url: string, method: string, params: Record<string, unknown>) =>
      Effect.flatMap(request(url, method, params), reading),
    listen: (url: string, lastEventId?: string) =>
      Effect.flatMap(
        send(HttpClientRequest.get(`${url}/mcp`), key, {
          ...session,
          ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId })
        }),
        reading
      ),
    end: (url: string) => Effect.map(send(HttpClientRequest.delete(`${url}/mcp`), key, session), ({ status }) => status)
  }
})
