import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { RequestReplays } from "@devops-mcp/core/idempotency/RequestReplays"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { Retention } from "@devops-mcp/core/retention/Retention"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { auditRetention, retentionSettings } from "@devops-mcp/infrastructure/Settings"
import { queueDepth, queueInFlight, queueOldestAge } from "@devops-mcp/observability/Metrics"
import { queueSampling, queueSweeping } from "@devops-mcp/resilience/JobPolicies"
import { auditUpkeep, replaySweeping, retentionUpkeep, taskSweeping } from "@devops-mcp/resilience/Policies"
import { Effect, Metric } from "effect"

/** Publishes how much work waits, so that operators and autoscalers see it. */
const makeSampling = Effect.gen(function* () {
  const queue = yield* JobQueue
  return Effect.flatMap(queue.stats, (all) =>
    Effect.forEach(
      all,
      Effect.fnUntraced(function* ({ depth, inFlight, name, oldestAgeSeconds }) {
        yield* Metric.update(Metric.withAttributes(queueDepth, { queue: name }), depth)
        yield* Metric.update(Metric.withAttributes(queueInFlight, { queue: name }), inFlight)
        yield* Metric.update(Metric.withAttributes(queueOldestAge, { queue: name }), oldestAgeSeconds)
      }),
      { discard: true }
    )
  ).pipe(Effect.catch((error) => Effect.logDebug(error.message)))
})

const orWarn = <E extends { readonly message: string }>(effect: Effect.Effect<unknown, E>) =>
  Effect.catch(effect, (error) => Effect.logWarning(error.message, error))

/**
 * What is done now and then, by every worker: each of these is one statement, or holds a lock while it lasts, so that
 * several workers at it do no more than one.
 */
export const makeScheduledJobs = Effect.gen(function* () {
  const tasks = yield* Tasks
  const replays = yield* RequestReplays
  const trail = yield* AuditTrail
  const letters = yield* DeadLetters
  const keeping = yield* Retention
  const auditKept = yield* auditRetention
  const kept = yield* retentionSettings
  const sampling = yield* makeSampling

  const keepAudit = orWarn(
    Effect.tap(trail.upkeep(auditKept), (dropped) =>
      dropped.length === 0 ? Effect.void : Effect.logInfo("Audit log dropped", { dropped })
    )
  )

  return {
    "figures of the queues": Effect.andThen(sampling, Effect.schedule(sampling, queueSampling)),
    "sweep of tasks": Effect.schedule(orWarn(tasks.sweep), taskSweeping),
    "sweep of replays": Effect.schedule(orWarn(replays.sweep), replaySweeping),
    "sweep of dead letters": Effect.schedule(orWarn(letters.sweep), queueSweeping),
    "upkeep of the audit log": Effect.andThen(keepAudit, Effect.schedule(keepAudit, auditUpkeep)),
    retention: Effect.andThen(keeping.upkeep(kept), Effect.schedule(keeping.upkeep(kept), retentionUpkeep))
  }
})
