import { Job, type QueueName } from "@devops-mcp/contract/Jobs"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { DeadLetterId } from "@devops-mcp/domain/Ids"
import { jobDuration, jobs } from "@devops-mcp/observability/Metrics"
import { givenUpTellings, jobAttempts, longestJobDelay } from "@devops-mcp/resilience/JobPolicies"
import { longestOutage, outageDelay } from "@devops-mcp/resilience/Outages"
import { Cause, Clock, DateTime, Duration, Effect, Exit, Metric, Option, Schema } from "effect"
import { makeNewId } from "../NewId.ts"
import { DeadLetterRepository } from "../ports/DeadLetterRepository.ts"
import type { JobHandler } from "../ports/JobQueue.ts"
import { causeOf, type JobEnvelope, ownerOf, readEnvelope } from "./JobEnvelope.ts"
import { failureText, isFinal, isOutage, retryAfterOf } from "./JobFailure.ts"
import { readQueuedId } from "./JobIds.ts"

/** A job as its queue hands it over. */
export interface TakenJob {
  readonly queue: QueueName
  /** The id that the queue knows it by. */
  readonly queuedId: string
  /** Starts at 1. Attempts count that had no answer because their worker died, and those that ended in a `Retry`. */
  readonly attempt: number
  /** What was offered, as JSON; a text where it is none. */
  readonly content: Schema.Json
}

/** What the queue has to do with the job now. */
export type Verdict =
  | { readonly _tag: "Done" }
  /** To be tried again, not sooner than after the queue's schedule and what the error asked for. */
  | { readonly _tag: "Retry"; readonly retryAfter: Duration.Duration | undefined; readonly error: string }
  /** To be tried again after that time, and the attempt does not count: what the job, or its dead letter, needs is away. */
  | { readonly _tag: "PutOff"; readonly delay: Duration.Duration; readonly error: string }
  /** The handler was stopped, not the job: the attempt does not count. */
  | { readonly _tag: "GivenBack" }

export interface JobAttemptsOptions {
  /** How often a job is tried, and how long one of that age waits in an outage; tests differ. */
  readonly attempts?: number
  readonly outageDelay?: (age: Duration.Duration) => Duration.Duration
}

/** What a dead letter says of its job. */
interface Kept {
  readonly tenantId?: TenantId
  readonly type: string
  readonly group?: string
  readonly payload: Schema.Json
}

const encodeJob = Schema.encodeSync(Schema.toCodecJson(Job))

const done: Verdict = { _tag: "Done" }

/**
 * One attempt at a job, the same whatever queue it comes from: decoded, traced, timed, counted; what is given up is kept
 * among the dead letters before its queue may forget it, and where that is not possible it is tried again.
 */
export const makeJobAttempts = Effect.fnUntraced(function* ({
  attempts = jobAttempts,
  outageDelay: delayOf = outageDelay
}: JobAttemptsOptions = {}) {
  const letters = yield* DeadLetterRepository
  const newId = yield* makeNewId

  const keep = Effect.fnUntraced(function* (taken: TakenJob, { group, tenantId, type, payload }: Kept, error: string) {
    const { id: jobId, redrives } = readQueuedId(taken.queuedId)
    const letter = {
      id: yield* newId(DeadLetterId),
      queue: taken.queue,
      jobId,
      type,
      ...(group === undefined ? {} : { group }),
      error,
      attempts: taken.attempt,
      redrives,
      payload,
      failedAt: yield* DateTime.now
    }
    yield* Effect.logError("A job was given up and is now a dead letter", { error })
    return yield* letters.put(tenantId, letter).pipe(
      // A tenant that is gone has no letters; they are the first tenant's then, rather than nobody's.
      Effect.catch((failure) => (failure.retryable ? Effect.fail(failure) : letters.put(undefined, letter))),
      Effect.as(done),
      // Were the attempt to count, the next one would seem to come after a last one that had no answer.
      Effect.catch((failure) =>
        Effect.as(Effect.logWarning(failure.message, failure), {
          _tag: "PutOff" as const,
          delay: delayOf(Duration.zero),
          error
        })
      )
    )
  })

  const count = Effect.fnUntraced(function* (type: string, outcome: string, startedAt: number) {
    yield* Metric.update(Metric.withAttributes(jobs, { type, outcome }), 1)
    yield* Metric.update(
      Metric.withAttributes(jobDuration, { type }),
      ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    )
  })

  /** What the job is about is shown as failed first: where the letter cannot be kept, both are done again. */
  const giveUp = Effect.fnUntraced(function* <E, R>(
    taken: TakenJob,
    { group, job }: JobEnvelope,
    error: string,
    show: Effect.Effect<void, E, R> | undefined
  ) {
    yield* Effect.ignoreCause(show ?? Effect.void, {
      log: "Warn",
      message: "What a job is about could not be shown as failed"
    })
    const kept = { tenantId: job.tenantId, type: job._tag, payload: encodeJob(job) }
    return yield* keep(taken, group === undefined ? kept : { ...kept, group }, error)
  })

  /** There was no answer to the last attempt. The job is not run again: it may be what ends its workers. */
  const giveUpUnanswered = Effect.fnUntraced(function* <E, R>(
    taken: TakenJob,
    envelope: JobEnvelope,
    handler: JobHandler<E, R>
  ) {
    const { job } = envelope
    yield* Metric.update(Metric.withAttributes(jobs, { type: job._tag, outcome: "dead" }), 1)
    const tellings = taken.attempt - attempts
    return yield* giveUp(
      { ...taken, attempt: attempts },
      envelope,
      `Its worker stopped without an answer in attempt ${attempts}, the last one: it died, or was cut off from its database or queue`,
      tellings > givenUpTellings ? undefined : handler.givenUp?.(job, "unanswered")
    )
  })

  const attempt = Effect.fnUntraced(function* <E, R>(
    taken: TakenJob,
    envelope: JobEnvelope,
    handler: JobHandler<E, R>
  ): Effect.fn.Return<Verdict, never, R> {
    const { job } = envelope
    const { id } = readQueuedId(taken.queuedId)
    const startedAt = yield* Clock.currentTimeMillis
    const parent = causeOf(envelope)
    const exit = yield* Effect.exit(
      Effect.suspend(() => handler.run(job, { id, attempt: taken.attempt })).pipe(
        Effect.withSpan(`Job.${job._tag}`, {
          kind: "consumer",
          attributes: { jobId: id, attempt: taken.attempt },
          ...(parent === undefined ? { root: true } : { parent })
        })
      )
    )
    if (Exit.isSuccess(exit)) {
      yield* count(job._tag, "done", startedAt)
      return done
    }
    const { cause } = exit
    if (Cause.hasInterruptsOnly(cause)) {
      yield* count(job._tag, "interrupted", startedAt)
      return { _tag: "GivenBack" }
    }
    const error = failureText(cause)
    const asked = Option.map(Option.fromUndefinedOr(retryAfterOf(cause)), Duration.min(longestJobDelay))
    // A job of an earlier version does not say how old it is.
    const age = Duration.millis(startedAt - (envelope.offeredAt ?? 0))
    if (isOutage(cause) && Duration.isLessThan(age, longestOutage)) {
      yield* count(job._tag, "put_off", startedAt)
      const delay = Duration.max(
        delayOf(age),
        Option.getOrElse(asked, () => Duration.zero)
      )
      yield* Effect.logWarning("A job is put off: what it needs does not answer", {
        error,
        delay: Duration.format(delay)
      })
      return { _tag: "PutOff", delay, error }
    }
    if (taken.attempt >= attempts || isFinal(cause)) {
      yield* count(job._tag, "dead", startedAt)
      yield* Effect.logDebug("The cause of a dead letter", cause)
      return yield* giveUp(taken, envelope, error, handler.givenUp?.(job, "failed"))
    }
    yield* count(job._tag, "retried", startedAt)
    yield* Effect.logWarning("A job failed and will be tried again", cause)
    return { _tag: "Retry", retryAfter: Option.getOrUndefined(asked), error }
  })

  /** Runs the handler and never fails: the verdict says what is to become of the job. Only here is a job given up. */
  return <E, R>(taken: TakenJob, handler: JobHandler<E, R>) =>
    readEnvelope(taken.content).pipe(
      Effect.matchEffect({
        onFailure: (error) =>
          keep(taken, { ...ownerOf(taken.content), payload: taken.content }, failureText(Cause.fail(error))),
        onSuccess: (envelope) =>
          taken.attempt > attempts ? giveUpUnanswered(taken, envelope, handler) : attempt(taken, envelope, handler)
      }),
      Effect.annotateLogs({ job: taken.queuedId, queue: taken.queue, attempt: taken.attempt })
    )
})
