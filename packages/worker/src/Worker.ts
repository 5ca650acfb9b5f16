import type { Job } from "@devops-mcp/contract/Jobs"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { RequestReplays } from "@devops-mcp/core/idempotency/RequestReplays"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { type JobMetadata, JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { auditRetention, workerConcurrency } from "@devops-mcp/infrastructure/Settings"
import { queueDepth, queueOldestAge } from "@devops-mcp/observability/Metrics"
import {
  auditUpkeep,
  drainTimeout,
  queueRetry,
  queueSampling,
  replaySweeping,
  taskSweeping
} from "@devops-mcp/resilience/Policies"
import { Deferred, Effect, Fiber, FiberSet, Layer, Metric } from "effect"

/** Publishes how much work waits, so that operators and autoscalers see it. */
const sampleQueue = Effect.gen(function* () {
  const queue = yield* JobQueue
  const { depth, name, oldestAgeSeconds } = yield* queue.stats
  yield* Metric.update(Metric.withAttributes(queueDepth, { queue: name }), depth)
  yield* Metric.update(Metric.withAttributes(queueOldestAge, { queue: name }), oldestAgeSeconds)
}).pipe(Effect.catch((error) => Effect.logDebug(error.message)))

/**
 * Takes jobs and runs them, `WORKER_CONCURRENCY` at a time. When its scope closes it takes no more; what runs may finish
 * within the drain's time, and what does not is given back without counting the attempt.
 */
export const WorkerLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const queue = yield* JobQueue
    const ingest = yield* Ingest
    const tasks = yield* Tasks
    const replays = yield* RequestReplays
    const trail = yield* AuditTrail
    const retention = yield* auditRetention
    const stopping = yield* Deferred.make<void>()

    const run = (job: Job, metadata: JobMetadata) =>
      job._tag === "RunTask" ? tasks.run(job, metadata) : ingest.run(job, metadata)
    const sweepTasks = Effect.catch(tasks.sweep, (error) => Effect.logWarning(error.message, error))
    const sweepReplays = Effect.catch(replays.sweep, (error) => Effect.logWarning(error.message, error))

    const keepAudit = trail.upkeep(retention).pipe(
      Effect.tap((dropped) => (dropped.length === 0 ? Effect.void : Effect.logInfo("Audit log dropped", { dropped }))),
      Effect.catch((error) => Effect.logWarning(error.message, error))
    )

    const giveBack = Deferred.await(stopping).pipe(
      Effect.andThen(Effect.sleep(drainTimeout)),
      Effect.andThen(Effect.interrupt)
    )
    /** A job claimed when the stop has come goes back at once. */
    const handle = (begun: Deferred.Deferred<void>) => (job: Job, metadata: JobMetadata) =>
      Effect.gen(function* () {
        if (yield* Deferred.isDone(stopping)) return yield* Effect.interrupt
        yield* Deferred.succeed(begun, undefined)
        yield* Effect.raceFirst(run(job, metadata), giveBack)
      })

    /**
     * Waits for one job and runs it. A stop interrupts the waiting only: were the fiber that runs a job interrupted, the
     * queue would put the job back even though it came to its end.
     */
    const takeOne = Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const taking = yield* Effect.forkChild(queue.take(handle(begun)))
      yield* Fiber.join(taking).pipe(
        Effect.onInterrupt(() =>
          Effect.flatMap(Deferred.isDone(begun), (isRunning) =>
            isRunning ? Fiber.await(taking) : Fiber.interrupt(taking)
          )
        )
      )
    })

    const work = takeOne.pipe(
      Effect.tapError((error) => Effect.logWarning(error.message, error)),
      Effect.retry(queueRetry),
      Effect.forever
    )

    const limit = yield* workerConcurrency
    const fibers = yield* FiberSet.make()
    for (let index = 0; index < limit; index++) yield* FiberSet.run(fibers, work)
    yield* FiberSet.run(fibers, Effect.schedule(sampleQueue, queueSampling))
    yield* FiberSet.run(fibers, Effect.schedule(sweepTasks, taskSweeping))
    yield* FiberSet.run(fibers, Effect.schedule(sweepReplays, replaySweeping))
    yield* FiberSet.run(fibers, Effect.andThen(keepAudit, Effect.schedule(keepAudit, auditUpkeep)))
    yield* Effect.addFinalizer(() => Deferred.succeed(stopping, undefined))
  })
)
