import type { Audit } from "@devops-mcp/core/audit/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Clock, Effect, Exit } from "effect"
import { actionOf } from "./Methods.ts"

/** Puts on record each time what a request has changed, if it has; other requests are repeated acts. */
export const changeOnRecord =
  (audit: Audit["Service"], principal: Principal, method: string, target: string) =>
  <A, E>(change: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(Clock.currentTimeMillis, (startedAt) =>
      Effect.onExit(
        change,
        Effect.fnUntraced(function* (exit) {
          const changes = Exit.isSuccess(exit)
          yield* audit.record({
            principal,
            action: actionOf(method),
            target,
            outcome: changes ? "ok" : "failed",
            changes,
            requestId: yield* RequestId,
            durationMs: (yield* Clock.currentTimeMillis) - startedAt
          })
        })
      )
    )
