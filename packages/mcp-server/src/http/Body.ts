import { deepestNesting, isNestedDeeper } from "@devops-mcp/core/JsonNesting"
import { requestBodyTimeout } from "@devops-mcp/resilience/Policies"
import { isJsonContentType, type RequestId } from "@modelcontextprotocol/server"
import { ByteSize, Effect, Fiber, Schema } from "effect"
import { HttpIncomingMessage, type HttpServerRequest } from "effect/http"
import { parseJson } from "../edge/Json.ts"
import type { RawArguments } from "../registry/RegisteredTool.ts"
import { refuse } from "./Refusal.ts"

const isObject = Schema.is(Schema.Record(Schema.String, Schema.Unknown))

const readText = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, limit: ByteSize.ByteSize) {
  const read = Effect.provideService(request.text, HttpIncomingMessage.MaxBodySize, limit)
  // In the request's own time: to interrupt it cuts the connection, and no answer would arrive.
  const reading = yield* Effect.forkScoped(read)
  return yield* Fiber.join(reading).pipe(
    Effect.mapError(({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
        ? refuse(413, `The body is larger than ${ByteSize.format(limit)}`)
        : refuse(400, "The body could not be read")
    ),
    Effect.timeoutOrElse({
      duration: requestBodyTimeout,
      orElse: () => Effect.fail(refuse(408, "The body did not arrive"))
    })
  )
})

/** The JSON of a POST, bounded in size, depth and time. */
export const readMessage = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  limit: ByteSize.ByteSize
) {
  if (!isJsonContentType(request.headers["content-type"] ?? null)) {
    return yield* refuse(415, "Unsupported Media Type: Content-Type must be application/json")
  }
  const text = yield* readText(request, limit)
  if (isNestedDeeper(text, deepestNesting)) {
    return yield* refuse(400, `The body is nested deeper than ${deepestNesting} levels`)
  }
  return yield* Effect.fromOption(parseJson(text)).pipe(
    Effect.mapError(() => refuse(400, "Parse error: the request body is not valid JSON", { code: -32700 }))
  )
})

/** The id under which a refused message is answered; null when it has none. */
export const idOf = (body: unknown): RequestId | null => {
  const id = isObject(body) && typeof body["method"] === "string" ? body["id"] : undefined
  return typeof id === "string" || typeof id === "number" ? id : null
}

export interface NamedCall {
  readonly name: string
  readonly arguments: RawArguments
}

/** The tools that a body calls: one, or several in a batch of 2025-03-26. */
export const toolCallsOf = (body: unknown): ReadonlyArray<NamedCall> =>
  (Array.isArray(body) ? body : [body]).flatMap((message: unknown) => {
    if (!isObject(message) || message["method"] !== "tools/call" || !isObject(message["params"])) return []
    const { arguments: input, name } = message["params"]
    return typeof name === "string" ? [{ name, arguments: isObject(input) ? input : {} }] : []
  })
