import { Health } from "@devops-mcp/observability/Health"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { Effect, Layer } from "effect"
import { PostgresJobQueue } from "./PostgresJobQueue.ts"
import { queueDriver, sqsSettings } from "./QueueSettings.ts"
import { orderedQueues, SqsJobQueue } from "./sqs/SqsJobQueue.ts"

/** Without its queues the worker has nothing to do; what is offered meanwhile waits in the database. */
const HealthLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const queue = yield* JobQueue
    const health = yield* Health
    yield* health.register({
      name: "queue",
      required: false,
      check: Effect.mapError(queue.stats, () => ({ message: "The job queue does not answer" }))
    })
  })
)

/** Jobs in Amazon SQS when `QUEUE_DRIVER` says so, else in Postgres. */
export const QueueLive = (options: { readonly exclusive: boolean }) =>
  HealthLive.pipe(
    Layer.provideMerge(
      Layer.unwrap(
        Effect.gen(function* () {
          if ((yield* queueDriver) === "postgres") return PostgresJobQueue(options)
          const { autoCreate, fifo, prefix } = yield* sqsSettings
          return SqsJobQueue({ autoCreate, prefix, fifo: fifo ? orderedQueues : [] })
        })
      )
    )
  )
