import type { Audit } from "@devops-mcp/core/audit/Audit"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Clock, Effect, Exit } from "effect"

/** A request that no registry puts on record. */
export interface Recordable {
  readonly principal: Principal
  readonly requestId: string
  readonly method: string
  /** What it changes, if it changes something. */
  readonly changed: string | undefined
}

/**
 * Puts a request on record. Clients ask for lists as often as they like, so those are repeated acts; what changes
 * something has a row each time, and tells what.
 */
export const onRecord =
  (audit: Audit["Service"], { changed, method, principal, requestId }: Recordable) =>
  <A, E>(handled: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(Clock.currentTimeMillis, (startedAt) =>
      Effect.onExit(handled, (exit) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const outcome: AuditOutcome = Exit.isSuccess(exit) ? "ok" : "failed"
          const act = { principal, action: `mcp.${method}`, outcome, requestId, durationMs: now - startedAt }
          return changed === undefined
            ? audit.repeated(act)
            : audit.record({ ...act, target: changed, changes: Exit.isSuccess(exit) })
        })
      )
    )
