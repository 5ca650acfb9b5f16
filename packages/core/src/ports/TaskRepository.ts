import type { NotFound } from "@devops-mcp/domain/Errors"
import type { TaskId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Task, TaskError, TaskProgress } from "@devops-mcp/domain/Task"
import { Context, type DateTime, type Effect, type Option, type Schema } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** A task that a worker has taken. Who took it later has a higher `run`, and only the highest one can write. */
export interface TakenTask {
  readonly id: TaskId
  readonly kind: string
  readonly principal: Principal
  readonly input: Schema.JsonObject
  readonly answers: Schema.JsonObject
  readonly run: number
}

/** How a run ends: with the task, or with questions to its owner. */
export type RunEnd =
  | { readonly status: "completed"; readonly result: Schema.JsonObject }
  | { readonly status: "failed"; readonly error: typeof TaskError.Type }
  | { readonly status: "input_required"; readonly inputRequests: Schema.JsonObject }

/**
 * Tasks of all owners; what a principal asks for is looked for among its own, and what has expired is not there. A final
 * status never changes.
 */
export class TaskRepository extends Context.Service<
  TaskRepository,
  {
    /** False, and nothing is stored, when the owner has `limit` unfinished tasks already. */
    readonly create: (
      principal: Principal,
      task: Task,
      input: Schema.JsonObject,
      limit: number
    ) => Effect.Effect<boolean, StoreError>
    readonly get: (principal: Principal, id: TaskId, now: DateTime.Utc) => Effect.Effect<Task, NotFound | StoreError>
    readonly list: (
      principal: Principal,
      page: PageRequest,
      now: DateTime.Utc
    ) => Effect.Effect<Page<Task>, CursorError | StoreError>
    /** Keeps the answers to what is asked, and drops others. Some when it was the last one: the run that is to follow. */
    readonly answer: (
      principal: Principal,
      id: TaskId,
      answers: Schema.JsonObject,
      now: DateTime.Utc
    ) => Effect.Effect<Option.Option<number>, NotFound | StoreError>
    /** `cancelled` is false when the task was final already. */
    readonly cancel: (
      principal: Principal,
      id: TaskId,
      now: DateTime.Utc
    ) => Effect.Effect<{ readonly task: Task; readonly cancelled: boolean }, NotFound | StoreError>
    /** Takes a task that is to be worked on, away from whoever has it. */
    readonly take: (
      tenantId: TenantId,
      id: TaskId,
      now: DateTime.Utc
    ) => Effect.Effect<Option.Option<TakenTask>, StoreError>
    readonly isRunning: (
      tenantId: TenantId,
      id: TaskId,
      run: number,
      now: DateTime.Utc
    ) => Effect.Effect<boolean, StoreError>
    readonly setProgress: (
      tenantId: TenantId,
      id: TaskId,
      run: number,
      progress: typeof TaskProgress.Type,
      now: DateTime.Utc
    ) => Effect.Effect<void, StoreError>
    /** The run says that it is alive, if the task is still its own. */
    readonly touch: (tenantId: TenantId, id: TaskId, run: number, now: DateTime.Utc) => Effect.Effect<void, StoreError>
    /** False, and nothing is stored, when the task is no longer this run's. */
    readonly end: (
      tenantId: TenantId,
      id: TaskId,
      run: number,
      end: RunEnd,
      now: DateTime.Utc
    ) => Effect.Effect<boolean, StoreError>
    /** Fails a task that is to be worked on, whoever has it. False, and nothing is stored, when there is none. */
    readonly fail: (
      tenantId: TenantId,
      id: TaskId,
      error: typeof TaskError.Type,
      now: DateTime.Utc
    ) => Effect.Effect<boolean, StoreError>
    /**
     * Fails tasks of all tenants that a run has taken and then said nothing of since `silentSince`; answers which. What
     * waits to be taken is not concerned, however long it waits.
     */
    readonly failSilent: (
      silentSince: DateTime.Utc,
      error: typeof TaskError.Type,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlyArray<{ readonly tenantId: TenantId; readonly id: TaskId }>, StoreError>
    /** Removes expired tasks of all tenants; answers how many. */
    readonly sweep: (now: DateTime.Utc) => Effect.Effect<number, StoreError>
  }
>()("@devops-mcp/core/ports/TaskRepository") {}
