import { Authorization, Caller, OnlyReads, Requires } from "@devops-mcp/contract/Authorization"
import { Forbidden, GatewayTimeout } from "@devops-mcp/contract/Problems"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { outcomeOf } from "@devops-mcp/core/audit/OnRecord"
import { Limits } from "@devops-mcp/core/limits/Limits"
import { RateLimited } from "@devops-mcp/core/limits/RateLimited"
import { allows } from "@devops-mcp/core/Policy"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { apiRequestTimeout } from "@devops-mcp/resilience/Policies"
import { Clock, Context, Effect, Exit, Layer, Option, Schema } from "effect"
import { HttpMethod, HttpRouter, HttpServerError, type HttpServerResponse } from "effect/http"
import { makeAuthenticate } from "./Authenticate.ts"
import { toProblem } from "./Problems.ts"
import { readBody } from "./Validation.ts"

const readingMethods: ReadonlySet<string> = new Set(["GET", "HEAD"])

const isRateLimited = Schema.is(RateLimited)

/** The status that an answer has or will have. */
const statusOf = (exit: Exit.Exit<HttpServerResponse.HttpServerResponse, unknown>) =>
  Exit.isSuccess(exit)
    ? Effect.succeed(exit.value.status)
    : Effect.map(HttpServerError.causeResponse(exit.cause), ([response]) => response.status)

const overdue = Effect.flatMap(RequestId, (requestId) =>
  Effect.fail(new GatewayTimeout({ code: "timeout", detail: "The request took too long", requestId }))
)

const forbid = (detail: string) =>
  Effect.flatMap(RequestId, (requestId) => Effect.fail(new Forbidden({ code: "forbidden", detail, requestId })))

const openToNobody = forbid("This route is open to nobody")

/**
 * Implements `Authorization`. A route that does not say what it requires is refused, whoever asks. Every request comes
 * through here: what can be made once for a route is, and there is no generator on the way.
 */
export const AuthorizationLive = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const authenticate = yield* makeAuthenticate
    const audit = yield* Audit
    const limits = yield* Limits

    return Authorization.of((httpEffect, { endpoint, group }) => {
      const required = Context.getOption(endpoint.annotations, Requires)
      const mayChange = !readingMethods.has(endpoint.method) && !Context.get(endpoint.annotations, OnlyReads)
      const action = `${group.identifier}.${endpoint.identifier}`
      const handled = (HttpMethod.hasBody(endpoint.method) ? Effect.andThen(readBody, httpEffect) : httpEffect).pipe(
        Effect.timeoutOrElse({ duration: apiRequestTimeout, orElse: () => overdue })
      )

      const permit = (principal: Principal) => {
        if (Option.isNone(required) || required.value === "signature") return openToNobody
        return required.value === "any" || allows(principal, required.value)
          ? Effect.void
          : forbid(`This needs the scope '${required.value}'`)
      }

      const run = (principal: Principal) =>
        Effect.flatMap(permit(principal), () =>
          Effect.catchIf(limits.running(principal)(handled), isRateLimited, toProblem)
        )

      const record = (principal: Principal, startedAt: number, status: number) =>
        Effect.withFiber(({ context }) => {
          const { params } = Context.getUnsafe(context, HttpRouter.RouteContext)
          const target = Object.values(params).join("/")
          return audit.record({
            principal,
            action,
            ...(target === "" ? {} : { target }),
            outcome: outcomeOf(status),
            // What is answered with a 4xx has not been done.
            changes: mayChange && (status < 400 || status >= 500),
            requestId: Context.get(context, RequestId),
            durationMs: Context.get(context, Clock.Clock).currentTimeMillisUnsafe() - startedAt
          })
        })

      return Effect.flatMap(authenticate, ({ principal }) =>
        Effect.clockWith((clock) => {
          const startedAt = clock.currentTimeMillisUnsafe()
          return run(principal).pipe(
            Effect.onExit((exit) =>
              Exit.isSuccess(exit)
                ? record(principal, startedAt, exit.value.status)
                : Effect.flatMap(statusOf(exit), (status) => record(principal, startedAt, status))
            ),
            Effect.provideService(Caller, principal),
            Effect.annotateLogs({ tenantId: principal.tenantId })
          )
        })
      )
    })
  })
)
