import { refusals } from "@devops-mcp/observability/Metrics"
import { refusalLogs } from "@devops-mcp/resilience/Policies"
import type { Principal } from "@devops-mcp/domain/Principal"
import { ClientAddress, RequestId } from "@devops-mcp/observability/RequestContext"
import { Clock, Duration, Effect, Metric } from "effect"

/** A request that was turned away. */
export interface Refusal {
  /** Few and ours: it is a metric's label. */
  readonly reason: "credential" | "locked_out" | "rate_limit"
  /** Whose it is, where that is known; else no tenant's log can have it. */
  readonly principal?: Principal
  /** Which limit it is over. */
  readonly limit?: string
}

/**
 * Counts every refusal of a stranger and logs some: anybody on the network can cause any number of them, and may fill neither the
 * disk nor a tenant's audit log. The first line of the next window tells how many were left out.
 */
export const makeRefusals = Effect.sync(() => {
  const windowMillis = Duration.toMillis(refusalLogs.window)
  let window = { startedAt: -Infinity, lines: 0, omitted: 0 }

  return Effect.fnUntraced(function* (reason: Refusal["reason"]) {
    yield* Metric.update(Metric.withAttributes(refusals, { reason }), 1)
    const now = yield* Clock.currentTimeMillis
    const { omitted } = window
    const isNew = now - window.startedAt >= windowMillis
    if (isNew) window = { startedAt: now, lines: 0, omitted: 0 }
    if (window.lines >= refusalLogs.lines) {
      window.omitted++
      return
    }
    window.lines++
    const address = yield* ClientAddress
    const line = { reason, requestId: yield* RequestId, ...(address === undefined ? {} : { address }) }
    yield* Effect.annotateLogs(
      Effect.logInfo("A request was refused before its caller was known"),
      isNew && omitted > 0 ? { ...line, omittedBefore: omitted } : line
    )
  })
})
