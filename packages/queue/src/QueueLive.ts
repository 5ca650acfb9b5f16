import { Health } from "@devops-mcp/observability/Health"
import type { JobAttemptsOptions } from "@devops-mcp/core/jobs/JobAttempts"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import type { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import type { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { type Config, Effect, Layer } from "effect"
import type { SecureRandom } from "effect/crypto"
import type { SqlClient, SqlError } from "effect/sql"
import type { SqsUnusable } from "./sqs/SqsQueues.ts"
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

type Queue = Layer.Layer<
  JobQueue,
  SqlError.SqlError | Config.ConfigError | SqsUnusable,
  SqlClient.SqlClient | DeadLetterRepository | ObjectStore | SecureRandom.SecureRandom
>

/** Jobs in Amazon SQS when `QUEUE_DRIVER` says so, else in Postgres. */
export const QueueLive = (options: JobAttemptsOptions & { readonly exclusive: boolean }) =>
  HealthLive.pipe(
    Layer.provideMerge(
      Layer.unwrap(
        Effect.map(Effect.all([queueDriver, sqsSettings]), ([driver, { autoCreate, fifo, prefix }]): Queue =>
          driver === "postgres"
            ? PostgresJobQueue(options)
            : SqsJobQueue({ ...options, autoCreate, prefix, fifo: fifo ? orderedQueues : [] })
        )
      )
    )
  )
