import type { Job } from "@devops-mcp/contract/Jobs"
import { Context, Schema, type Duration, type Effect } from "effect"

/** The queue's store or server did not answer. */
export class QueueError extends Schema.TaggedError<QueueError>()("@devops-mcp/core/ports/JobQueue/QueueError", {
  operation: Schema.Literals(["offer", "take", "stats", "deadLetters", "redrive"]),
  retryable: Schema.Boolean,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The job queue could not ${this.operation}`
  }
}

/** `attempt` starts at 1; on the last one a failure makes the job a dead letter. */
export interface JobMetadata {
  readonly id: string
  readonly attempt: number
  readonly lastAttempt: boolean
}

export interface DeadLetter {
  readonly id: string
  readonly error: string
  readonly attempts: number
  readonly payload: Schema.Json
}

export interface QueueStats {
  readonly name: string
  readonly depth: number
  readonly inFlight: number
  readonly deadLetters: number
  readonly oldestAgeSeconds: number
}

/**
 * Work for the worker, delivered at least once. `offer` joins the transaction it is called in, so a job exists exactly
 * when the change that caused it does; an `id` that was offered before is not offered again. A handler that fails is
 * tried again after the queue's retry schedule, and after the last attempt the job is kept with its cause.
 */
export class JobQueue extends Context.Service<
  JobQueue,
  {
    readonly offer: (
      job: Job,
      options: { readonly id: string; readonly delay?: Duration.Duration }
    ) => Effect.Effect<void, QueueError>
    /** Waits for one job and runs the handler on it; succeeds when the job is done or put back. */
    readonly take: <E, R>(
      handler: (job: Job, metadata: JobMetadata) => Effect.Effect<void, E, R>
    ) => Effect.Effect<void, QueueError, R>
    readonly stats: Effect.Effect<QueueStats, QueueError>
    readonly deadLetters: (limit: number) => Effect.Effect<ReadonlyArray<DeadLetter>, QueueError>
    /** Puts dead letters back, all of them without ids; answers how many. */
    readonly redrive: (ids?: ReadonlyArray<string>) => Effect.Effect<number, QueueError>
  }
>()("@devops-mcp/core/ports/JobQueue") {}
