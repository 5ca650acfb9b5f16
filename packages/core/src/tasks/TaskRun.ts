import type { Job } from "@devops-mcp/contract/Jobs"
import type { TaskProgress } from "@devops-mcp/domain/Task"
import {
  taskHeartbeat,
  taskHeartbeatRetry,
  taskNewsInterval,
  taskProgressInterval,
  taskWatching
} from "@devops-mcp/resilience/Policies"
import { DateTime, Effect, Option, Queue, Ref, Schema, type Scope } from "effect"
import { Changes } from "../changes/Changes.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { type RunEnd, type TakenTask, TaskRepository } from "../ports/TaskRepository.ts"
import {
  type RunningTask,
  type Suspended as Suspension,
  Suspended,
  type TaskFailed,
  type TaskResult,
  type TaskRunner
} from "./TaskRunner.ts"

/** A task's result as it is stored and shown. */
export const StoredResult = Schema.Struct({
  structured: Schema.optionalKey(Schema.JsonObject),
  content: Schema.optionalKey(Schema.Array(Schema.JsonObject)),
  isError: Schema.Boolean
})

/** Characters of a stored result; what runs bounds its own output, so this is the last resort. */
const longestResult = 4_000_000

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Json))

const failed = (code: string, detail: string): RunEnd => ({ status: "failed", error: { code, detail } })

const resultOf = ({ content, isError, structured }: TaskResult): Schema.JsonObject => ({
  ...(structured === undefined ? {} : { structured }),
  ...(content === undefined ? {} : { content }),
  isError
})

const endOf = (result: TaskResult): RunEnd => {
  const stored = resultOf(result)
  return encodeJson(stored).length > longestResult
    ? failed("result_too_large", "The work was done, but its result is too large to be kept")
    : { status: "completed", result: stored }
}

/**
 * Runs tasks for the worker. A job may come again at any moment: the run that took the task last is the only one that
 * can write, and one that has lost its task, because it was cancelled, removed or taken over, is interrupted and leaves
 * no trace.
 */
export const makeTaskRun = Effect.fnUntraced(function* (runners: ReadonlyMap<string, TaskRunner>) {
  const repository = yield* TaskRepository
  const changes = yield* Changes

  /** Ends when the task is no longer this run's. A database that does not answer says nothing about that. */
  const lost = ({ tenantId, taskId }: typeof Job.cases.RunTask.Type, run: number, changed: Queue.Dequeue<void>) =>
    Queue.take(changed).pipe(
      Effect.timeoutOption(taskWatching),
      Effect.andThen(DateTime.now),
      Effect.flatMap((now) => repository.isRunning(tenantId, taskId, run, now)),
      Effect.catch((error) => Effect.as(Effect.logWarning(error.message, error), true)),
      Effect.repeat({ while: (isRunning) => isRunning }),
      Effect.as(Option.none<RunEnd>())
    )

  const publish = (
    { id, principal, run }: TakenTask,
    progress: Queue.Dequeue<typeof TaskProgress.Type>,
    news: Queue.Enqueue<void>
  ) =>
    Queue.take(progress).pipe(
      Effect.flatMap((latest) =>
        Effect.flatMap(DateTime.now, (now) => repository.setProgress(principal.tenantId, id, run, latest, now))
      ),
      Effect.andThen(Queue.offer(news, undefined)),
      Effect.catch((error) => Effect.logDebug(error.message, error)),
      Effect.andThen(Effect.sleep(taskProgressInterval)),
      Effect.forever
    )

  const tell = ({ id, principal }: TakenTask, news: Queue.Dequeue<void>) =>
    Queue.take(news).pipe(
      Effect.andThen(changes.announce({ _tag: "TaskChanged", tenantId: principal.tenantId, taskId: id })),
      Effect.andThen(Effect.sleep(taskNewsInterval)),
      Effect.forever
    )

  const beat = ({ id, principal, run }: TakenTask) =>
    Effect.flatMap(DateTime.now, (now) => repository.touch(principal.tenantId, id, run, now)).pipe(
      Effect.tapError((error) => Effect.logDebug(error.message, error)),
      Effect.retry(taskHeartbeatRetry),
      Effect.delay(taskHeartbeat),
      Effect.forever
    )

  /** How the work ends. A defect is the job's failure, and the task's only when its job is given up. */
  const attempt = Effect.fnUntraced(function* (taken: TakenTask): Effect.fn.Return<RunEnd, never, Scope.Scope> {
    const runner = runners.get(taken.kind)
    if (runner === undefined) return failed("unknown_kind", `Nothing here does tasks of kind '${taken.kind}'`)
    const asked = yield* Ref.make<Schema.JsonObject>({})
    const progress = yield* Queue.sliding<typeof TaskProgress.Type>(1)
    const news = yield* Queue.sliding<void>(1)
    yield* Effect.forkScoped(publish(taken, progress, news))
    yield* Effect.forkScoped(tell(taken, news))
    yield* Effect.forkScoped(beat(taken))
    const task: RunningTask = {
      id: taken.id,
      principal: taken.principal,
      input: taken.input,
      progress: (latest) => Effect.asVoid(Queue.offer(progress, latest)),
      ask: Effect.fnUntraced(function* (requests) {
        const keys = Object.keys(requests)
        const open = keys.filter((key) => !Object.hasOwn(taken.answers, key))
        if (open.length === 0) return Object.fromEntries(keys.map((key) => [key, taken.answers[key] ?? null]))
        yield* Ref.set(asked, Object.fromEntries(open.map((key) => [key, requests[key] ?? {}])))
        return yield* new Suspended()
      })
    }
    return yield* runner.run(task).pipe(
      Effect.map(endOf),
      Effect.catchTags({
        "@devops-mcp/core/tasks/TaskRunner/TaskFailed": ({ code, detail }: TaskFailed) =>
          Effect.succeed(failed(code, detail)),
        "@devops-mcp/core/tasks/TaskRunner/Suspended": (_: Suspension) =>
          Effect.map(Ref.get(asked), (inputRequests): RunEnd => ({ status: "input_required", inputRequests }))
      })
    )
  })

  return Effect.fn("Tasks.run")(function* (job: typeof Job.cases.RunTask.Type): Effect.fn.Return<void, StoreError> {
    const { taskId, tenantId } = job
    yield* Effect.annotateCurrentSpan({ taskId })
    yield* Effect.scoped(
      Effect.gen(function* () {
        const changed = yield* Queue.sliding<void>(1)
        // Heard from before the task is taken, so that no cancellation falls in between.
        yield* changes.listen((change) => {
          if (change._tag === "TaskChanged" && change.taskId === taskId) Queue.offerUnsafe(changed, undefined)
        })
        const taken = yield* repository.take(tenantId, taskId, yield* DateTime.now)
        if (Option.isNone(taken)) return
        const { run } = taken.value
        const outcome = yield* Effect.raceFirst(Effect.asSome(attempt(taken.value)), lost(job, run, changed))
        if (Option.isNone(outcome)) return yield* Effect.logInfo("A task was taken from its run")
        const stored = yield* repository.end(tenantId, taskId, run, outcome.value, yield* DateTime.now)
        if (stored) yield* changes.announce({ _tag: "TaskChanged", tenantId, taskId })
      })
    )
  })
})
