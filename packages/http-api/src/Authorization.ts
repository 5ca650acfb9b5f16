import { Authorization, Caller, OnlyReads, Requires } from "@devops-mcp/contract/Authorization"
import { Forbidden, GatewayTimeout } from "@devops-mcp/contract/Problems"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { Limits } from "@devops-mcp/core/limits/Limits"
import { RateLimited } from "@devops-mcp/core/limits/RateLimited"
import { allows } from "@devops-mcp/core/Policy"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { apiRequestTimeout } from "@devops-mcp/resilience/Policies"
import { Clock, Context, Effect, Exit, Layer, Option, Schema } from "effect"
import { HttpRouter, HttpServerError, type HttpServerResponse } from "effect/http"
import { makeAuthenticate } from "./Authenticate.ts"
import { toProblem } from "./Problems.ts"
import { readBody } from "./Validation.ts"

const readingMethods: ReadonlySet<string> = new Set(["GET", "HEAD"])

const isRateLimited = Schema.is(RateLimited)

const outcomeOf = (status: number): AuditOutcome =>
  status < 400 ? "ok" : status === 401 || status === 403 ? "denied" : "failed"

/** The status that an answer has or will have. */
const statusOf = (exit: Exit.Exit<HttpServerResponse.HttpServerResponse, unknown>) =>
  Exit.isSuccess(exit)
    ? Effect.succeed(exit.value.status)
    : Effect.map(HttpServerError.causeResponse(exit.cause), ([response]) => response.status)

/** Implements `Authorization`. A route that does not say what it requires is refused, whoever asks. */
export const AuthorizationLive = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const authenticate = yield* makeAuthenticate
    const audit = yield* Audit
    const limits = yield* Limits

    const overdue = Effect.flatMap(RequestId, (requestId) =>
      Effect.fail(new GatewayTimeout({ code: "timeout", detail: "The request took too long", requestId }))
    )

    const refuse = Effect.fnUntraced(function* (detail: string) {
      return yield* new Forbidden({ code: "forbidden", detail, requestId: yield* RequestId })
    })

    const audited =
      (principal: Principal, action: string, mayChange: boolean) =>
      <E, R>(act: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
        Effect.gen(function* () {
          const startedAt = yield* Clock.currentTimeMillis
          const target = Object.values(yield* HttpRouter.params).join("/")
          return yield* Effect.onExit(act, (exit) =>
            Effect.gen(function* () {
              const status = yield* statusOf(exit)
              yield* audit.record({
                principal,
                action,
                ...(target === "" ? {} : { target }),
                outcome: outcomeOf(status),
                // What is answered with a 4xx has not been done.
                changes: mayChange && (status < 400 || status >= 500),
                requestId: yield* RequestId,
                durationMs: (yield* Clock.currentTimeMillis) - startedAt
              })
            })
          )
        })

    return Authorization.of((httpEffect, { endpoint, group }) => {
      const required = Context.getOption(endpoint.annotations, Requires)
      const mayChange = !readingMethods.has(endpoint.method) && !Context.get(endpoint.annotations, OnlyReads)
      const allowed = Effect.fnUntraced(function* (principal: Principal) {
        if (Option.isNone(required) || required.value === "signature") {
          return yield* refuse("This route is open to nobody")
        }
        if (required.value !== "any" && !allows(principal, required.value)) {
          return yield* refuse(`This needs the scope '${required.value}'`)
        }
        return yield* Effect.andThen(readBody, Effect.provideService(httpEffect, Caller, principal)).pipe(
          Effect.timeoutOrElse({ duration: apiRequestTimeout, orElse: () => overdue }),
          limits.running(principal.tenantId),
          Effect.catchIf(isRateLimited, toProblem)
        )
      })
      return Effect.flatMap(authenticate, ({ principal }) =>
        allowed(principal).pipe(
          audited(principal, `${group.identifier}.${endpoint.identifier}`, mayChange),
          Effect.annotateLogs({ tenantId: principal.tenantId })
        )
      )
    })
  })
)
