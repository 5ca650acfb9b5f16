import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Clock, Context, Effect } from "effect"
import type { Audit } from "./Audit.ts"

/** Something of a caller that needs a row, and whether it has one. */
export interface Handled {
  onRecord: boolean
  /** What it is a part of, and has with it a row: an HTTP request of a message. */
  readonly partOf: Handled | undefined
}

/** What the running fiber works on, so that it is on record once however many look after that. */
export const BeingHandled = Context.Reference<Handled | undefined>("@devops-mcp/core/audit/OnRecord/BeingHandled", {
  defaultValue: () => undefined
})

const noted = Effect.withFiber(({ context }) => {
  for (let handled = Context.get(context, BeingHandled); handled !== undefined; handled = handled.partOf) {
    handled.onRecord = true
  }
  return Effect.void
})

/** An audit that notes of what is being handled that it is on record. */
export const noting = ({ record, refused, repeated }: Audit["Service"]): Audit["Service"] => ({
  record: (act) => Effect.andThen(noted, record(act)),
  repeated: (act) => Effect.andThen(noted, repeated(act)),
  // Of a stranger there is no row.
  refused: (refusal) => (refusal.principal === undefined ? refused(refusal) : Effect.andThen(noted, refused(refusal)))
})

/** What an answer's status says of the act. */
export const outcomeOf = (status: number): AuditOutcome =>
  status < 400 ? "ok" : status === 401 || status === 403 ? "denied" : "failed"

/** What of a caller was refused before it was understood, so that there is no act to name. */
export interface RefusedRequest {
  readonly principal: Principal
  readonly action: "refused.api" | "refused.mcp" | "refused.rpc" | "refused.websocket"
}

/** Puts a refusal with this status, or code, on record. Callers repeat it as often as they like. */
export const recordRefusal = (
  audit: Audit["Service"],
  { action, principal }: RefusedRequest,
  status: number,
  durationMs = 0
) =>
  Effect.flatMap(RequestId, (requestId) =>
    audit.repeated({
      principal,
      action,
      target: String(status),
      outcome: status < 0 ? "failed" : outcomeOf(status),
      requestId,
      durationMs
    })
  )

/** Handles a request of a known caller; when it is refused and nothing of it is on record, the refusal is. */
export const refusalOnRecord =
  (audit: Audit["Service"], refused: RefusedRequest) =>
  <A, E extends { readonly status: number }, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (startedAt) => {
      const handled: Handled = { onRecord: false, partOf: undefined }
      return request.pipe(
        Effect.tapError(({ status }) =>
          handled.onRecord
            ? Effect.void
            : Effect.flatMap(Clock.currentTimeMillis, (now) => recordRefusal(audit, refused, status, now - startedAt))
        ),
        Effect.provideService(BeingHandled, handled)
      )
    })
