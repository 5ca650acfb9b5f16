import { Job, type QueueName } from "@devops-mcp/contract/Jobs"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { RequestReplays } from "@devops-mcp/core/idempotency/RequestReplays"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { Retention } from "@devops-mcp/core/retention/Retention"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { JobQueue, type QueueError } from "@devops-mcp/core/ports/JobQueue"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { ContextId, DeliveryId, DocumentId, TaskId, TenantId } from "@devops-mcp/domain/Ids"
import { Health } from "@devops-mcp/observability/Health"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { WorkerLive } from "@devops-mcp/worker/Worker"
import { ConfigProvider, Context, Effect, Exit, Layer, Logger, Queue, References, Scope } from "effect"

const tenantId = freshId(TenantId)

/** The ids of the jobs of tasks. */
const taskJobs = new Map<TaskId, string>()

const newTask = (jobId: string) => {
  const taskId = freshId(TaskId)
  taskJobs.set(taskId, jobId)
  return Job.cases.RunTask.make({ tenantId, taskId })
}

/** What is taken from each queue under an id. */
const jobs: Readonly<Record<QueueName, (id: string) => Job>> = {
  deliveries: () => Job.cases.IngestDelivery.make({ tenantId, deliveryId: freshId(DeliveryId) }),
  documents: () => Job.cases.IngestDocument.make({ tenantId, documentId: freshId(DocumentId) }),
  contexts: () => Job.cases.IndexContext.make({ tenantId, contextId: freshId(ContextId), fromSeq: 1, toSeq: 2 }),
  tasks: newTask
}

/** How a taken job ended. */
export interface Ended {
  readonly id: string
  readonly as: "done" | "failed" | "given back"
}

export interface WorkerOptions {
  /** The work of the ingest, by the id of its job. */
  readonly run?: (id: string, job: Job) => Effect.Effect<void>
  readonly runTask?: (id: string, job: Job) => Effect.Effect<void>
  readonly concurrency?: string
  /** What a queue does before it waits for a job. */
  readonly take?: (queue: QueueName) => Effect.Effect<void, QueueError>
  readonly stats?: JobQueue["Service"]["stats"]
  readonly queueUpkeep?: Effect.Effect<never>
  readonly sweepTasks?: Effect.Effect<void, StoreError>
  readonly sweepReplays?: Effect.Effect<void, StoreError>
  readonly sweepLetters?: Effect.Effect<void, StoreError>
  readonly upkeep?: AuditTrail["Service"]["upkeep"]
}

/** Queues in memory that know nothing of each other. */
const makeQueues = Effect.fnUntraced(function* ({ queueUpkeep, stats, take }: WorkerOptions) {
  const ended = yield* Queue.unbounded<Ended>()
  const waiting = {
    deliveries: yield* Queue.unbounded<string>(),
    documents: yield* Queue.unbounded<string>(),
    contexts: yield* Queue.unbounded<string>(),
    tasks: yield* Queue.unbounded<string>()
  } satisfies Readonly<Record<QueueName, unknown>>
  const layer = Layer.mock(JobQueue, {
    take: (name, handler) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* take?.(name) ?? Effect.void
          const id = yield* restore(Queue.take(waiting[name]))
          const exit = yield* Effect.exit(restore(handler.run(jobs[name](id), { id, attempt: 1 })))
          const interrupted = Exit.isFailure(exit) && Exit.hasInterrupts(exit)
          yield* Queue.offer(ended, { id, as: Exit.isSuccess(exit) ? "done" : interrupted ? "given back" : "failed" })
        })
      ),
    stats: stats ?? Effect.succeed([]),
    upkeep: queueUpkeep ?? Effect.never
  })
  return { ended, waiting, layer }
})

const unexpected = () => Effect.die(new Error("not a job of this service"))

/** A worker on queues in memory; each job does what the test says for its id. */
export const started = Effect.fnUntraced(function* (options: WorkerOptions) {
  const { ended, layer: queues, waiting } = yield* makeQueues(options)
  const [run, runTask] = [options.run ?? unexpected, options.runTask ?? unexpected]
  const ingest = Layer.mock(Ingest, { run: (job, { id }) => run(id, job) })
  const tasks = Layer.mock(Tasks, {
    run: (job) => runTask(taskJobs.get(job.taskId) ?? "", job),
    sweep: options.sweepTasks ?? Effect.void
  })
  const trail = Layer.mock(AuditTrail, { upkeep: options.upkeep ?? (() => Effect.succeed([])) })
  const replays = Layer.mock(RequestReplays, { sweep: options.sweepReplays ?? Effect.void })
  const keeping = Layer.mock(Retention, { upkeep: () => Effect.never })
  const letters = Layer.mock(DeadLetters, { sweep: options.sweepLetters ?? Effect.void })
  const env = options.concurrency === undefined ? {} : { WORKER_CONCURRENCY: options.concurrency }
  const config = ConfigProvider.layer(ConfigProvider.fromUnknown(env))
  const scope = yield* Scope.make()
  const errors: Array<string> = []
  const Logs = Logger.layer([
    Logger.map(Logger.formatJson, (line) => {
      errors.push(line)
    })
  ])
  const context = yield* Layer.build(
    Layer.fresh(WorkerLive).pipe(
      Layer.provide([queues, ingest, tasks, trail, replays, letters, keeping, config]),
      Layer.provideMerge(Layer.fresh(Health.layer)),
      Layer.provide(Layer.merge(Logs, Layer.succeed(References.MinimumLogLevel, "Error")))
    )
  ).pipe(Scope.provide(scope))
  return {
    /** What was logged as an error. */
    errors,
    health: Context.get(context, Health).report,
    offer: (name: QueueName, ...ids: ReadonlyArray<string>) => Queue.offerAll(waiting[name], ids),
    waiting: (name: QueueName) => Queue.size(waiting[name]),
    ended: Queue.take(ended),
    stop: Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
  }
})

export const names = (of: string, count: number) => Array.from({ length: count }, (_, index) => `${of} ${index}`)
