import { Job, QueueName } from "@devops-mcp/contract/Jobs"
import { type GivenUp, type JobMetadata, JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { workerConcurrency } from "@devops-mcp/infrastructure/Settings"
import { placesOf, queueRetry } from "@devops-mcp/resilience/JobPolicies"
import { drainTimeout } from "@devops-mcp/resilience/Policies"
import { Deferred, Effect, Fiber, FiberSet, Layer } from "effect"
import { makeJobHandlers } from "./JobHandlers.ts"
import { makeScheduledJobs } from "./ScheduledJobs.ts"
import { makeSupervision } from "./Supervision.ts"

/**
 * Takes jobs and runs them, `WORKER_CONCURRENCY` deliveries at a time and a quarter as many of each other type, which
 * have places of their own. When its scope closes it takes no more; what runs may finish within the drain's time, and
 * what does not is given back without counting the attempt. Whatever else ends before is started again.
 */
export const WorkerLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const queue = yield* JobQueue
    const handlers = yield* makeJobHandlers
    const stopping = yield* Deferred.make<void>()

    const run = (job: Job, metadata: JobMetadata) =>
      Job.match(job, {
        IngestDelivery: (delivery) => handlers.IngestDelivery.run(delivery, metadata),
        IngestDocument: (document) => handlers.IngestDocument.run(document, metadata),
        IndexContext: (context) => handlers.IndexContext.run(context, metadata),
        RunTask: handlers.RunTask.run
      })

    const givenUp = (job: Job, why: GivenUp) =>
      Job.match(job, {
        IngestDelivery: handlers.IngestDelivery.givenUp,
        IngestDocument: handlers.IngestDocument.givenUp,
        IndexContext: handlers.IndexContext.givenUp,
        RunTask: (task) => handlers.RunTask.givenUp(task, why)
      })

    const giveBack = Deferred.await(stopping).pipe(
      Effect.andThen(Effect.sleep(drainTimeout)),
      Effect.andThen(Effect.interrupt)
    )
    /** A job claimed when the stop has come goes back at once. */
    const handler = (begun: Deferred.Deferred<void>) => ({
      run: Effect.fnUntraced(function* (job: Job, metadata: JobMetadata) {
        if (yield* Deferred.isDone(stopping)) return yield* Effect.interrupt
        yield* Deferred.succeed(begun, undefined)
        yield* Effect.raceFirst(run(job, metadata), giveBack)
      }),
      givenUp
    })

    /**
     * Waits for one job and runs it. A stop interrupts the waiting only: were the fiber that runs a job interrupted, the
     * queue would put the job back even though it came to its end.
     */
    const takeOne = (name: QueueName) =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const taking = yield* Effect.forkChild(queue.take(name, handler(begun)))
        yield* Fiber.join(taking).pipe(
          Effect.onInterrupt(() =>
            Effect.flatMap(Deferred.isDone(begun), (isRunning) =>
              isRunning ? Fiber.await(taking) : Fiber.interrupt(taking)
            )
          )
        )
      })

    const work = (name: QueueName) =>
      takeOne(name).pipe(
        Effect.tapError((error) => Effect.logWarning(error.message, error)),
        Effect.retry(queueRetry),
        Effect.forever
      )

    const limit = yield* workerConcurrency
    const supervised = yield* makeSupervision
    const fibers = yield* FiberSet.make()
    for (const name of QueueName.literals) {
      const places = name === "deliveries" ? limit : placesOf(limit)
      for (let place = 1; place <= places; place++) {
        yield* FiberSet.run(fibers, supervised(`place ${place} of ${name}`, work(name)))
      }
    }
    yield* FiberSet.run(fibers, supervised("upkeep of the queue", queue.upkeep))
    for (const [name, scheduled] of Object.entries(yield* makeScheduledJobs)) {
      yield* FiberSet.run(fibers, supervised(name, scheduled))
    }
    yield* Effect.addFinalizer(() => Deferred.succeed(stopping, undefined))
  })
)
