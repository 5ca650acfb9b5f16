import { Caller, type Permission, Requires } from "@devops-mcp/contract/Authorization"
import { RpcAuthorization } from "@devops-mcp/contract/RpcAuthorization"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { BeingHandled } from "@devops-mcp/core/audit/OnRecord"
import { Limits } from "@devops-mcp/core/limits/Limits"
import { allows } from "@devops-mcp/core/Policy"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Cause, Context, Effect, Layer, Option } from "effect"
import { callsAtOnce, RpcConnections } from "./RpcConnections.ts"
import { broken, forbidden, internal, limited, unauthorized } from "./RpcProblems.ts"

const refusalOf = (principal: Principal, required: Permission | undefined) => {
  if (required === undefined || required === "signature") return "This is open to nobody"
  return required === "any" || allows(principal, required) ? undefined : `This needs the scope '${required}'`
}

/**
 * Implements `RpcAuthorization`. A procedure that does not say what it requires is refused, whoever asks. A call is on
 * record when it begins, for a stream may go on for days.
 */
export const RpcAuthorizationLive = Layer.effect(
  RpcAuthorization,
  Effect.gen(function* () {
    const authentication = yield* Authentication
    const audit = yield* Audit
    const limits = yield* Limits
    const connections = yield* RpcConnections

    const authenticate = Effect.fnUntraced(function* (clientId: number) {
      const connection = connections.caller(clientId)
      if (Option.isNone(connection)) return yield* unauthorized("The connection is closed")
      // Again, for the credential may have been revoked since the connection was opened.
      return yield* authentication.authenticate(connection.value.credential).pipe(
        Effect.catchTag("@devops-mcp/domain/Errors/Unauthenticated", ({ detail }) => unauthorized(detail)),
        Effect.catchTag(
          ["@devops-mcp/core/ports/StoreError", "@devops-mcp/core/ports/AccessTokens/AccessTokensUnavailable"],
          broken
        )
      )
    })

    const record = Effect.fnUntraced(function* (principal: Principal, tag: string, outcome: "ok" | "denied") {
      const requestId = yield* RequestId
      yield* audit.record({ principal, action: `rpc.${tag}`, outcome, changes: false, requestId, durationMs: 0 })
    })

    return RpcAuthorization.of((call, { client, requestId, rpc }) =>
      Effect.gen(function* () {
        const principal = yield* authenticate(client.id)
        yield* Effect.catchTag(limits.caller(principal), "@devops-mcp/core/limits/RateLimited", limited)
        const required = Context.getOption(rpc.annotations, Requires)
        const refusal = refusalOf(principal, Option.getOrUndefined(required))
        if (refusal !== undefined) {
          yield* record(principal, rpc._tag, "denied")
          return yield* forbidden(refusal)
        }
        if (!(yield* connections.call(client.id))) {
          return yield* limited({ limit: "concurrency", message: `At most ${callsAtOnce} calls at once` })
        }
        yield* record(principal, rpc._tag, "ok")
        return yield* Effect.provideService(call, Caller, principal).pipe(
          Effect.annotateLogs({ tenantId: principal.tenantId })
        )
      }).pipe(
        Effect.provideService(BeingHandled, connections.asked(client.id, requestId)),
        // What a defect says is for us alone.
        Effect.catchCause((cause) => (Cause.hasDies(cause) ? internal(cause) : Effect.failCause(cause)))
      )
    )
  })
)
