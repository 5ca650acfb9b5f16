import { Job } from "@devops-mcp/contract/Jobs"
import { InvalidInput, type NotFound } from "@devops-mcp/domain/Errors"
import { TaskId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Task } from "@devops-mcp/domain/Task"
import { taskLifetime, taskSilence } from "@devops-mcp/resilience/Policies"
import { Context, DateTime, type Duration, Effect, Layer, Option, Schema } from "effect"
import { Changes } from "../changes/Changes.ts"
import { makeNewId } from "../NewId.ts"
import type { CursorError } from "../ports/Cursor.ts"
import { type GivenUp, JobQueue, type QueueError } from "../ports/JobQueue.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { TaskRepository } from "../ports/TaskRepository.ts"
import { Transactions } from "../ports/Transactions.ts"
import { makeTaskRun } from "./TaskRun.ts"
import { MoreTaskRunners } from "./TaskRunner.ts"
import { makeToolActionRunner } from "./ToolActionRunner.ts"

/** Unfinished tasks that one caller can have. */
export const unfinishedTasks = 100

/** Characters of a task's input and of one delivery of answers. */
const longestInput = 1_000_000

/** Not started again: nobody knows what of it was done. */
const workerLost = {
  code: "worker_lost",
  detail: "The program that did the work ended in the middle of it. Part of it may have been done; start it anew."
}

const internalError = { code: "internal_error", detail: "The work met an error of ours and was given up" }

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Json))

const bounded = (pointer: string, input: Schema.JsonObject) =>
  encodeJson(input).length <= longestInput
    ? Effect.void
    : Effect.fail(new InvalidInput({ pointer, detail: `This is longer than ${longestInput} characters` }))

export interface StartTask {
  /** Of a runner that this deployment has. */
  readonly kind: string
  readonly input: Schema.JsonObject
  readonly ttl?: Duration.Duration
}

/**
 * Long work that outlives its request. A task exists exactly when the job that runs it does, is seen by its owner only
 * (the same actor of the same tenant), and its final status never changes: a cancelled one is never completed.
 */
export class Tasks extends Context.Service<
  Tasks,
  {
    /** The task is durable when this returns. */
    readonly start: (
      principal: Principal,
      task: StartTask
    ) => Effect.Effect<Task, InvalidInput | StoreError | QueueError>
    readonly get: (principal: Principal, id: TaskId) => Effect.Effect<Task, NotFound | StoreError>
    readonly list: (principal: Principal, page: PageRequest) => Effect.Effect<Page<Task>, CursorError | StoreError>
    /** Takes answers, also some of those that are asked for; what is not asked is passed over. The last one resumes. */
    readonly update: (
      principal: Principal,
      id: TaskId,
      inputResponses: Schema.JsonObject
    ) => Effect.Effect<void, InvalidInput | NotFound | StoreError | QueueError>
    /** Of a task that is final it changes nothing. */
    readonly cancel: (principal: Principal, id: TaskId) => Effect.Effect<Task, NotFound | StoreError>
    /** For the worker; what is final, removed or waits for answers needs no work. */
    readonly run: (job: typeof Job.cases.RunTask.Type) => Effect.Effect<void, StoreError>
    /** Fails the task of a job that will not be tried again. */
    readonly givenUp: (job: typeof Job.cases.RunTask.Type, why: GivenUp) => Effect.Effect<void, StoreError>
    /** Removes expired tasks of all tenants and fails those whose worker died, for the worker to do now and then. */
    readonly sweep: Effect.Effect<void, StoreError>
  }
>()("@devops-mcp/core/tasks/Tasks") {
  static readonly layer = Layer.effect(
    Tasks,
    Effect.gen(function* () {
      const repository = yield* TaskRepository
      const transactions = yield* Transactions
      const queue = yield* JobQueue
      const changes = yield* Changes
      const newId = yield* makeNewId
      const all = [yield* makeToolActionRunner, ...(yield* MoreTaskRunners)]
      const runners = new Map(all.map((runner) => [runner.kind, runner]))
      const run = yield* makeTaskRun(runners)

      /** Each run of a task has a job of its own. */
      const enqueue = ({ tenantId }: Principal, taskId: TaskId, number: number) =>
        queue.offer(Job.cases.RunTask.make({ tenantId, taskId }), { id: `task:${taskId}:${number}` })

      const announce = ({ tenantId }: Principal, taskId: TaskId) =>
        changes.announce({ _tag: "TaskChanged", tenantId, taskId })

      const start = Effect.fn("Tasks.start")(function* (
        principal: Principal,
        { input, kind, ttl = taskLifetime }: StartTask
      ) {
        if (!runners.has(kind)) return yield* Effect.die(new Error(`Nothing does tasks of kind '${kind}'`))
        yield* bounded("/input", input)
        const now = yield* DateTime.now
        const task: Task = {
          id: yield* newId(TaskId),
          kind,
          status: "working",
          createdAt: now,
          updatedAt: now,
          expiresAt: DateTime.addDuration(now, ttl)
        }
        yield* Effect.annotateCurrentSpan({ taskId: task.id, kind })
        const create = Effect.gen(function* () {
          if (!(yield* repository.create(principal, task, input, unfinishedTasks))) {
            return yield* new InvalidInput({
              pointer: "",
              detail: `You have ${unfinishedTasks} unfinished tasks; wait until some are done, or cancel them`
            })
          }
          yield* enqueue(principal, task.id, 1)
        })
        yield* transactions.run(principal.tenantId, create)
        return task
      })

      const get = Effect.fn("Tasks.get")(function* (principal: Principal, id: TaskId) {
        return yield* repository.get(principal, id, yield* DateTime.now)
      })

      const list = Effect.fn("Tasks.list")(function* (principal: Principal, page: PageRequest) {
        return yield* repository.list(principal, page, yield* DateTime.now)
      })

      const update = Effect.fn("Tasks.update")(function* (
        principal: Principal,
        id: TaskId,
        inputResponses: Schema.JsonObject
      ) {
        yield* bounded("/inputResponses", inputResponses)
        const answer = Effect.gen(function* () {
          const next = yield* repository.answer(principal, id, inputResponses, yield* DateTime.now)
          if (Option.isSome(next)) yield* enqueue(principal, id, next.value)
          return Option.isSome(next)
        })
        const resumed = yield* transactions.run(principal.tenantId, answer)
        if (resumed) yield* announce(principal, id)
      })

      const cancel = Effect.fn("Tasks.cancel")(function* (principal: Principal, id: TaskId) {
        const { cancelled, task } = yield* repository.cancel(principal, id, yield* DateTime.now)
        if (cancelled) yield* announce(principal, id)
        return task
      })

      const givenUp = Effect.fn("Tasks.givenUp")(function* (
        { taskId, tenantId }: typeof Job.cases.RunTask.Type,
        why: GivenUp
      ) {
        const error = why === "failed" ? internalError : workerLost
        const failed = yield* repository.fail(tenantId, taskId, error, yield* DateTime.now)
        if (failed) yield* changes.announce({ _tag: "TaskChanged", tenantId, taskId })
      })

      const sweep = Effect.gen(function* () {
        const removed = yield* repository.sweep(yield* DateTime.now)
        if (removed > 0) yield* Effect.logInfo("Expired tasks were removed", { removed })
        const now = yield* DateTime.now
        const lost = yield* repository.failSilent(DateTime.subtractDuration(now, taskSilence), workerLost, now)
        yield* Effect.forEach(
          lost,
          ({ id, tenantId }) =>
            Effect.andThen(
              Effect.logWarning("A task was given up: the worker that ran it is gone", { taskId: id }),
              changes.announce({ _tag: "TaskChanged", tenantId, taskId: id })
            ),
          { discard: true }
        )
      }).pipe(Effect.withSpan("Tasks.sweep"))

      return Tasks.of({ start, get, list, update, cancel, run, givenUp, sweep })
    })
  )
}
