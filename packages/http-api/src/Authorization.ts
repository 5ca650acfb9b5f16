import { Authorization, Caller, Requires } from "@devops-mcp/contract/Authorization"
import { Forbidden } from "@devops-mcp/contract/Problems"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { credentialOf } from "@devops-mcp/core/access/Credential"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { allows } from "@devops-mcp/core/Policy"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Clock, Context, Effect, Exit, Layer, Option } from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { orProblem, unauthorized } from "./Problems.ts"

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
    const authentication = yield* Authentication
    const audit = yield* Audit

    const authenticate = Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const credential = credentialOf(request.headers)
      if (Option.isNone(credential)) {
        return yield* yield* unauthorized("Send an API key as Authorization: Bearer, or as X-API-Key")
      }
      return yield* orProblem(authentication.authenticate(credential.value))
    })

    const refuse = Effect.fnUntraced(function* (detail: string) {
      return yield* new Forbidden({ code: "forbidden", detail, requestId: yield* RequestId })
    })

    const audited =
      (principal: Principal, action: string) =>
      <E, R>(act: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
        Effect.gen(function* () {
          const startedAt = yield* Clock.currentTimeMillis
          const target = Object.values(yield* HttpRouter.params).join("/")
          return yield* Effect.onExit(act, (exit) =>
            Effect.gen(function* () {
              yield* audit.record({
                principal,
                action,
                ...(target === "" ? {} : { target }),
                outcome: outcomeOf(yield* statusOf(exit)),
                requestId: yield* RequestId,
                durationMs: (yield* Clock.currentTimeMillis) - startedAt
              })
            })
          )
        })

    return Authorization.of((httpEffect, { endpoint, group }) => {
      const required = Context.getOption(endpoint.annotations, Requires)
      const allowed = Effect.fnUntraced(function* (principal: Principal) {
        if (Option.isNone(required)) return yield* refuse("This route is open to nobody")
        if (required.value !== "any" && !allows(principal, required.value)) {
          return yield* refuse(`This needs the scope '${required.value}'`)
        }
        return yield* Effect.provideService(httpEffect, Caller, principal)
      })
      return Effect.flatMap(authenticate, (principal) =>
        allowed(principal).pipe(
          audited(principal, `${group.identifier}.${endpoint.identifier}`),
          Effect.annotateLogs({ tenantId: principal.tenantId })
        )
      )
    })
  })
)
