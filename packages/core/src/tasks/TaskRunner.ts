import type { TaskId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { TaskProgress } from "@devops-mcp/domain/Task"
import { Context, type Effect, Schema } from "effect"

/** The work could not be done at all; what it reports itself is a result with `isError`. */
export class TaskFailed extends Schema.TaggedError<TaskFailed>()("@devops-mcp/core/tasks/TaskRunner/TaskFailed", {
  code: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The task waits for its owner. Its run ends here, and starts anew once the answers are there. */
export class Suspended extends Schema.TaggedError<Suspended>()("@devops-mcp/core/tasks/TaskRunner/Suspended", {}) {}

/** What a task gives: a structured result, content blocks of MCP, or both. */
export interface TaskResult {
  readonly structured?: Schema.JsonObject
  readonly content?: ReadonlyArray<Schema.JsonObject>
  readonly isError: boolean
}

/** A task while its work is done. */
export interface RunningTask {
  readonly id: TaskId
  /** Who started it, with the permissions of then. */
  readonly principal: Principal
  readonly input: Schema.JsonObject
  /** Published at most a few times a second. */
  readonly progress: (progress: typeof TaskProgress.Type) => Effect.Effect<void>
  /**
   * Asks the owner; each request is one of MCP's embedded ones (`{method, params}`) under a key. All answers, or the
   * run is suspended until they have come. A run is repeated from its beginning, so ask before changing anything.
   */
  readonly ask: (requests: Readonly<Record<string, Schema.JsonObject>>) => Effect.Effect<Schema.JsonObject, Suspended>
}

/**
 * Does the work of one kind of task. It may be run more than once (a worker died, answers came), and is interrupted
 * when its task is cancelled.
 */
export interface TaskRunner {
  readonly kind: string
  readonly run: (task: RunningTask) => Effect.Effect<TaskResult, TaskFailed | Suspended>
}

/** Runners beside our own; tests of the protocol add theirs here. */
export const MoreTaskRunners = Context.Reference<ReadonlyArray<TaskRunner>>(
  "@devops-mcp/core/tasks/TaskRunner/MoreTaskRunners",
  { defaultValue: () => [] }
)
