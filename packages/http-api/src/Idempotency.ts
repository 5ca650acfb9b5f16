import { Caller } from "@devops-mcp/contract/Authorization"
import {
  Idempotency,
  IdempotencyKey,
  idempotencyKeyHeader,
  idempotencyReplayedHeader
} from "@devops-mcp/contract/Idempotency"
import { type KeptAnswer, RequestReplays } from "@devops-mcp/core/idempotency/RequestReplays"
import { Effect, Exit, Layer, Option, Schema } from "effect"
import { HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { HttpApiError } from "effect/http-api"
import { badRequest, orProblem } from "./Problems.ts"

const isKey = Schema.is(IdempotencyKey)

/**
 * Nothing was carried out, or it may be tried again: such an answer is not given again. A 428 is followed by the same
 * request with the confirmation in its body, and may have the same key.
 */
const passing: ReadonlySet<number> = new Set([400, 401, 403, 408, 413, 415, 428, 429])

/** The headers that belong to what is answered, and not to the connection or the moment. */
const keptHeaders = ["content-type", "etag", "location"] as const

/** The text of an answer; none of one that is streamed, which no repeatable route has. */
const textOf = ({ body }: HttpServerResponse.HttpServerResponse) => {
  if (body._tag === "Empty") return Option.some("")
  return body._tag === "Uint8Array" ? Option.some(new TextDecoder().decode(body.body)) : Option.none()
}

const keptOf = (response: HttpServerResponse.HttpServerResponse): Option.Option<KeptAnswer> => {
  const { headers, status } = response
  if (status >= 500 || passing.has(status)) return Option.none()
  const kept = keptHeaders.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]] as const]))
  return Option.map(textOf(response), (body) => ({ status, headers: Object.fromEntries(kept), body }))
}

type Handled = Exit.Exit<HttpServerResponse.HttpServerResponse, unknown>

/** What a handler's end is answered with, as far as it is to be given again; problems are answers too. */
const keep = Effect.fnUntraced(function* (exit: Handled) {
  if (Exit.isSuccess(exit)) return keptOf(exit.value)
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  if (HttpApiError.HttpApiSchemaError.is(error) || !HttpServerRespondable.isRespondable(error)) return Option.none()
  return keptOf(yield* HttpServerRespondable.toResponse(error))
})

const again = ({ body, headers, status }: KeptAnswer) =>
  HttpServerResponse.setHeaders(
    body === "" ? HttpServerResponse.empty({ status }) : HttpServerResponse.text(body, { status }),
    { ...headers, [idempotencyReplayedHeader]: "true" }
  )

/** Implements `Idempotency`. A request without the header is carried out as often as it comes. */
export const IdempotencyLive = Layer.effect(
  Idempotency,
  Effect.gen(function* () {
    const replays = yield* RequestReplays

    return Idempotency.of(
      Effect.fnUntraced(function* (httpEffect) {
        const request = yield* HttpServerRequest.HttpServerRequest
        const key = request.headers[idempotencyKeyHeader]
        if (key === undefined) return yield* httpEffect
        if (!isKey(key)) {
          return yield* yield* badRequest([
            { pointer: `/headers/${idempotencyKeyHeader}`, detail: "Expected 1 to 255 visible ASCII characters" }
          ])
        }
        const body = yield* Effect.option(request.text)
        // What cannot be read is the handler's to refuse.
        if (Option.isNone(body)) return yield* httpEffect
        const [path = ""] = request.originalUrl.split("?")
        const keyed = { key, method: request.method, path, body: body.value }
        const outcome = yield* orProblem(replays.run(yield* Caller, keyed, Effect.exit(httpEffect), keep))
        return outcome._tag === "Replayed" ? again(outcome.answer) : yield* outcome.value
      })
    )
  })
)
