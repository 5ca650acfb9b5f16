import { StoredResult } from "@devops-mcp/core/tasks/TaskRun"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import type { InvalidInput, NotFound } from "@devops-mcp/domain/Errors"
import { TaskId } from "@devops-mcp/domain/Ids"
import type { QueueError } from "@devops-mcp/core/ports/JobQueue"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Task } from "@devops-mcp/domain/Task"
import { taskPollInterval } from "@devops-mcp/resilience/Policies"
import { Context, DateTime, Duration, Effect, Layer, Match, Option, Schema } from "effect"
import { internalError, invalidParams, missingCapability, type ProtocolFailure } from "./ProtocolFailure.ts"
import { makeFit } from "./ResultLimit.ts"

/** The extension that clients must declare before they are given a task. */
export const tasksExtension = "io.modelcontextprotocol/tasks"

const declared = Schema.is(Schema.Struct({ extensions: Schema.Struct({ [tasksExtension]: Schema.JsonObject }) }))

/** Whether a client can be given a task. */
export const declaresTasks = (capabilities: Schema.JsonObject): boolean => declared(capabilities)

/** Refuses a client that cannot be given a task. */
export const requireTasks = (capabilities: Schema.JsonObject): Effect.Effect<void, ProtocolFailure> =>
  declaresTasks(capabilities)
    ? Effect.void
    : Effect.fail(
        missingCapability(`This needs a client with the extension ${tasksExtension}`, {
          extensions: { [tasksExtension]: {} }
        })
      )

const decodeResult = Schema.decodeUnknownEffect(StoredResult)

/** A task's failure is one of the protocol, whose errors have numbers. */
const internalErrorCode = -32603

const summaryOf = (task: Task): Schema.JsonObject => ({
  taskId: task.id,
  status: task.status,
  ...(task.progress?.message === undefined ? {} : { statusMessage: task.progress.message }),
  createdAt: DateTime.formatIso(task.createdAt),
  lastUpdatedAt: DateTime.formatIso(task.updatedAt),
  ttlMs: Math.max(1, Math.round(Duration.toMillis(DateTime.distance(task.createdAt, task.expiresAt)))),
  pollIntervalMs: Duration.toMillis(taskPollInterval)
})

const failureOf: (error: NotFound | InvalidInput | StoreError | QueueError) => ProtocolFailure = Match.typeTags<
  NotFound | InvalidInput | StoreError | QueueError
>()({
  "@devops-mcp/domain/Errors/NotFound": ({ id }) => unknown(id),
  "@devops-mcp/domain/Errors/InvalidInput": ({ detail }) => invalidParams(detail),
  "@devops-mcp/core/ports/StoreError": ({ message }) => internalError(message),
  "@devops-mcp/core/ports/JobQueue/QueueError": ({ message }) => internalError(message)
})

const unknown = (taskId: string) => invalidParams(`There is no task '${taskId.slice(0, 100)}'`)

const decodeId = Schema.decodeUnknownOption(TaskId)

/** The id as ours; a client can name a task by any text, and what is none of our ids names none. */
const idOf = (taskId: string) => Effect.fromOption(decodeId(taskId)).pipe(Effect.mapError(() => unknown(taskId)))

/** Tasks as the Tasks extension (SEP-2663) has them on the wire, without the `resultType` that every answer has. */
export class TaskRegistry extends Context.Service<
  TaskRegistry,
  {
    /** What a call that became a task is answered with. */
    readonly created: (task: Task) => Schema.JsonObject
    /** With the result, the error or the open questions; also what `notifications/tasks` tells. */
    readonly get: (principal: Principal, taskId: string) => Effect.Effect<Schema.JsonObject, ProtocolFailure>
    readonly update: (
      principal: Principal,
      taskId: string,
      inputResponses: Schema.JsonObject
    ) => Effect.Effect<Schema.JsonObject, ProtocolFailure>
    readonly cancel: (principal: Principal, taskId: string) => Effect.Effect<Schema.JsonObject, ProtocolFailure>
  }
>()("@devops-mcp/mcp-server/registry/TaskRegistry") {
  static readonly layer = Layer.effect(
    TaskRegistry,
    Effect.gen(function* () {
      const tasks = yield* Tasks
      const fit = yield* makeFit

      const text = (words: string): Schema.JsonObject => ({ type: "text", text: words })

      /** An error goes out as text alone, as in an answer of `tools/call`. */
      const contentOf = ({ id }: Task, structured: Schema.JsonObject, isError: boolean): Schema.JsonObject => {
        const whole = `The whole result is at GET /api/v1/tasks/${id}.`
        return Option.match(fit(structured), {
          onNone: () => ({ content: [text(`The result is too long. ${whole}`)], isError: true }),
          onSome: ({ isCut, text: json, value }) => ({
            content: [text(json), ...(isCut ? [text(`Long texts and lists were cut. ${whole}`)] : [])],
            ...(isError ? {} : { structuredContent: value })
          })
        })
      }

      /** As `tools/call` would have answered. */
      const callResultOf = Effect.fnUntraced(function* (task: Task) {
        const { content, isError, structured } = yield* Effect.orDie(decodeResult(task.result))
        const result: Schema.JsonObject = {
          resultType: "complete",
          ...(isError ? { isError } : {}),
          ...(structured === undefined ? {} : contentOf(task, structured, isError))
        }
        return content === undefined ? { content: [], ...result } : { ...result, content }
      })

      const detailsOf = Effect.fnUntraced(function* (task: Task): Effect.fn.Return<Schema.JsonObject> {
        const summary = summaryOf(task)
        switch (task.status) {
          case "working":
          case "cancelled":
            return summary
          case "input_required":
            return { ...summary, inputRequests: task.inputRequests ?? {} }
          case "completed":
            return { ...summary, result: yield* callResultOf(task) }
          case "failed": {
            const { code = "internal_error", detail = "The task failed" } = task.error ?? {}
            return { ...summary, error: { code: internalErrorCode, message: detail, data: { code } } }
          }
        }
      })

      return TaskRegistry.of({
        created: summaryOf,
        get: Effect.fn("TaskRegistry.get")(function* (principal, taskId) {
          const id = yield* idOf(taskId)
          return yield* detailsOf(yield* Effect.mapError(tasks.get(principal, id), failureOf))
        }),
        update: Effect.fn("TaskRegistry.update")(function* (principal, taskId, inputResponses) {
          const id = yield* idOf(taskId)
          yield* Effect.mapError(tasks.update(principal, id, inputResponses), failureOf)
          return {}
        }),
        cancel: Effect.fn("TaskRegistry.cancel")(function* (principal, taskId) {
          const id = yield* idOf(taskId)
          yield* Effect.mapError(tasks.cancel(principal, id), failureOf)
          return {}
        })
      })
    })
  )
}
