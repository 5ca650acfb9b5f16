import { TooManyRequests } from "@devops-mcp/contract/Problems"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { Limits } from "@devops-mcp/core/limits/Limits"
import type { Allowance, RateLimited } from "@devops-mcp/core/limits/RateLimited"
import { Limiter } from "@devops-mcp/core/ports/Limiter"
import { Health } from "@devops-mcp/observability/Health"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Effect, Layer } from "effect"
import { HttpEffect, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { limitSettings } from "./Settings.ts"

/** Without Redis there are limits still, but each replica has its own. */
const LimiterHealthLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const { check } = yield* Limiter
    const health = yield* Health
    yield* health.register({ name: "limits", required: false, check })
  })
)

/** The limits that the environment sets, and how `/readyz` tells whether replicas share them. */
export const LimitsLive = Layer.merge(
  Layer.unwrap(Effect.map(limitSettings, (settings) => Limits.layer(settings))).pipe(Layer.provide(Audit.layer)),
  LimiterHealthLive
)

const seconds = (millis: number) => String(Math.ceil(millis / 1000))

const allowanceHeaders = ({ limit, remaining, resetAfter }: Allowance) => ({
  "ratelimit-limit": String(limit),
  "ratelimit-remaining": String(remaining),
  "ratelimit-reset": seconds(resetAfter)
})

/** What clients are told of a limit that they are over. */
export const refusalHeaders = ({ allowance, retryAfterSeconds }: RateLimited): Readonly<Record<string, string>> => ({
  "retry-after": String(retryAfterSeconds),
  ...(allowance === undefined ? {} : allowanceHeaders(allowance))
})

/** Puts these headers on the answer to the request being handled, whatever it will be. */
export const withAnswerHeaders = (headers: Readonly<Record<string, string>>) =>
  HttpEffect.appendPreResponseHandler((_request, response) =>
    Effect.succeed(HttpServerResponse.setHeaders(response, headers))
  )

/** Tells the client what it has left, in the headers of the answer to the request being handled. */
export const showAllowance = (allowance: Allowance) => withAnswerHeaders(allowanceHeaders(allowance))

/** The 429 of the HTTP API, without its headers. */
export const tooManyRequests = (error: RateLimited) =>
  Effect.map(
    RequestId,
    (requestId) =>
      new TooManyRequests({ code: "too-many-requests", detail: error.message, requestId, limit: error.limit })
  )

/** The 429 of an address: in JSON-RPC where MCP is spoken, else a problem. */
export const refusedAddress = Effect.fnUntraced(function* (error: RateLimited, path: string) {
  const response =
    path === "/mcp" || path.startsWith("/mcp/")
      ? HttpServerResponse.jsonUnsafe(
          { jsonrpc: "2.0", id: null, error: { code: -32000, message: error.message } },
          { status: 429 }
        )
      : yield* HttpServerRespondable.toResponse(yield* tooManyRequests(error))
  return HttpServerResponse.setHeaders(response, refusalHeaders(error))
})
