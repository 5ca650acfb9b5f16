import { Schema } from "effect"
import { Timestamp } from "./Fields.ts"
import { TaskId } from "./Ids.ts"

/** `input_required` waits for answers of its owner; the last three are final. */
export const TaskStatus = Schema.Literals(["working", "input_required", "completed", "failed", "cancelled"])
export type TaskStatus = typeof TaskStatus.Type

/** `total` is absent while it is not known. */
export const TaskProgress = Schema.Struct({
  progress: Schema.Finite,
  total: Schema.optionalKey(Schema.Finite),
  message: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "TaskProgress" })

/** Why a task failed: the work could not be done at all. What the work itself reports is in its result. */
export const TaskError = Schema.Struct({ code: Schema.String, detail: Schema.String }).annotate({
  identifier: "TaskError"
})

/** Long work, done by the worker; only who started it sees it. */
export const Task = Schema.Struct({
  id: TaskId,
  /** What does the work, for example `git_statistics`. */
  kind: Schema.String,
  status: TaskStatus,
  progress: Schema.optionalKey(TaskProgress),
  /** What the owner is asked, by key, while the status is `input_required`. */
  inputRequests: Schema.optionalKey(Schema.JsonObject),
  result: Schema.optionalKey(Schema.JsonObject),
  error: Schema.optionalKey(TaskError),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  /** After this the task is removed. */
  expiresAt: Timestamp
}).annotate({ identifier: "Task" })
export type Task = typeof Task.Type
