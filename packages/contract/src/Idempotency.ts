import { Schema } from "effect"
import { type HttpApiEndpoint, HttpApiMiddleware, OpenApi } from "effect/http-api"
import type { Caller } from "./Authorization.ts"
import { BadRequest, Conflict, InternalError, Unavailable, Unprocessable } from "./Problems.ts"

/** The request header that makes a POST repeatable. */
export const idempotencyKeyHeader = "idempotency-key"

/** Is `true` in an answer that was given before and is repeated. */
export const idempotencyReplayedHeader = "idempotency-replayed"

/** What callers name a request with, so that sending it again does not carry it out again. */
export const IdempotencyKey = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,255}$/))

/**
 * Carries a request with an `Idempotency-Key` out once: the same request with the same key gets the first answer again
 * for 24 hours, another request with that key is a 422, and one that comes while the first still runs a 409.
 */
export class Idempotency extends HttpApiMiddleware.Service<Idempotency, { requires: Caller }>()(
  "@devops-mcp/contract/Idempotency",
  { error: [BadRequest, Conflict, Unprocessable, InternalError, Unavailable] }
) {}

const parameter = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "Makes the request repeatable for 24 hours. The same request with the same key gets the first answer again, with " +
    "`Idempotency-Replayed: true`; another request with that key is a 422, one that comes while the first still runs " +
    "a 409 with `Retry-After`. Kept are answers of requests that were carried out: not 401, 403, 408, 428, 429, 5xx, nor " +
    "refusals of input that does not fit its schema. Keys are each caller's own.",
  schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[\\x21-\\x7e]+$" }
}

const replayed = {
  "Idempotency-Replayed": {
    description: "`true` when this is the answer to an earlier request with the same `Idempotency-Key`",
    schema: { type: "string", enum: ["true"] }
  }
}

type Operation = Parameters<OpenApi.Transform["Service"]>[0]

const documented = (operation: Operation): Operation => ({
  ...operation,
  parameters: [...(operation["parameters"] ?? []), parameter],
  responses: Object.fromEntries(
    Object.entries<Operation>(operation["responses"]).map(([status, response]) => [
      status,
      status.startsWith("2") ? { ...response, headers: { ...response["headers"], ...replayed } } : response
    ])
  )
})

/** Lets a POST be repeated, and says so in the OpenAPI document. */
export const idempotent = <E extends HttpApiEndpoint.Constraint>(
  endpoint: E
): HttpApiEndpoint.AddMiddleware<E, Idempotency> =>
  // Every endpoint is a Top, which its own type is too narrow to show; the result's type is the library's own.
  (endpoint as unknown as HttpApiEndpoint.Top)
    .middleware(Idempotency)
    .annotate(OpenApi.Transform, documented) as unknown as HttpApiEndpoint.AddMiddleware<E, Idempotency>
