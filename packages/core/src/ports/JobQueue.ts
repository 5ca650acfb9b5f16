import type { Job, QueueName } from "@devops-mcp/contract/Jobs"
import { Context, Schema, type Duration, type Effect, type Tracer } from "effect"

/** The queue's store or server did not answer. */
export class QueueError extends Schema.TaggedError<QueueError>()("@devops-mcp/core/ports/JobQueue/QueueError", {
  operation: Schema.Literals(["offer", "take", "stats", "relay"]),
  retryable: Schema.Boolean,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The job queue could not ${this.operation}`
  }
}

/**
 * `id` is the one that the job was first offered under, also after it was put back from the dead letters; `attempt`
 * starts at 1.
 */
export interface JobMetadata {
  readonly id: string
  readonly attempt: number
}

/** A job is given up because an attempt failed, or because the last one had no answer: its worker died, or was cut off. */
export type GivenUp = "failed" | "unanswered"

/** What is done with jobs. Which attempt is the last is the queue's to say, so `run` cannot know it. */
export interface JobHandler<E, R = never> {
  readonly run: (job: Job, metadata: JobMetadata) => Effect.Effect<void, E, R>
  /** Shows that the job will not be tried again, before it is a dead letter; it may come twice, and must do no work. */
  readonly givenUp?: (job: Job, why: GivenUp) => Effect.Effect<void, E, R>
}

/** Characters of a group's name. */
export const longestGroup = 128

export interface JobOffer {
  /** At most 100 characters of A-Z, a-z, 0-9, `:`, `_`, `-`, `.` and `~`. */
  readonly id: string
  /** Jobs of one group are done in the order they were offered in, where the queue keeps order. At most `longestGroup`. */
  readonly group?: string
  readonly delay?: Duration.Duration
  /** What causes it, when that is not the running span. */
  readonly cause?: Tracer.Span
}

/** A job and how it is offered. */
export interface OfferedJob extends JobOffer {
  readonly job: Job
}

/** A job as its queue keeps it. */
export interface JobRow {
  readonly queue: QueueName
  readonly id: string
  readonly group: string
  /** Its envelope as JSON. */
  readonly content: string
  readonly traceparent: string | undefined
  readonly delay: Duration.Duration
}

/**
 * Jobs that a repository writes by the statement that writes what causes them: where a transaction of several statements
 * would cost too much.
 */
export interface PreparedJobs {
  /** Which of the database's tables the queue takes its jobs from. */
  readonly store: "jobs" | "outbox"
  readonly rows: ReadonlyArray<JobRow>
  /** Wakes who waits for those of them that are committed; who is not woken finds them a moment later. */
  readonly written: (committed: ReadonlyArray<JobRow>) => Effect.Effect<void>
}

/** Of the whole installation: what waits, what is worked on, and how long the oldest of both has been there. */
export interface QueueStats {
  readonly name: QueueName
  readonly depth: number
  readonly inFlight: number
  readonly oldestAgeSeconds: number
}

/**
 * Work for the worker, delivered at least once, in one queue for each type of job. `offer` joins the transaction it is
 * called in, so a job exists exactly when the change that caused it does; an `id` that was offered before is not offered
 * again. A handler that fails is tried again after the queue's retry schedule, and after the last attempt, or at once
 * when its error says that another attempt is of no use, the job is given up: a dead letter of its tenant with its cause.
 * Attempts during which a worker died count; when there was no answer to the last one, the job is given up without another.
 */
export class JobQueue extends Context.Service<
  JobQueue,
  {
    readonly offer: (job: Job, options: JobOffer) => Effect.Effect<void, QueueError>
    /** What `offer` would write for them. */
    readonly prepare: (jobs: ReadonlyArray<OfferedJob>) => Effect.Effect<PreparedJobs>
    /** Waits for one job and runs the handler on it; succeeds when the job is done, put back or a dead letter. */
    readonly take: <E, R>(queue: QueueName, handler: JobHandler<E, R>) => Effect.Effect<void, QueueError, R>
    readonly stats: Effect.Effect<ReadonlyArray<QueueStats>, QueueError>
    /** What the queue needs done beside its takers, in at least one process, for as long as there are jobs. */
    readonly upkeep: Effect.Effect<never>
  }
>()("@devops-mcp/core/ports/JobQueue") {}
