import { Duration, Schedule } from "effect"
import type { Retryable } from "./Policies.ts"

/** How often a job is tried before it becomes a dead letter. */
export const jobAttempts = 12

/**
 * How often it is tried to show what a given up job is about as failed; where that had no answer either, it may be what
 * ends the workers, and the job becomes a dead letter without it.
 */
export const givenUpTellings = 3

/**
 * Between the attempts of a job: 1 s, 2 s, 4 s … up to 20 s, so that what failed is tried within half a minute of a
 * service's return, and the last time some two and a half minutes after the first.
 */
export const jobRetry = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("20 seconds")]).pipe(
  Schedule.jittered
)

/** Longer than this no job waits because somebody said `Retry-After`. */
export const longestJobDelay = Duration.minutes(15)

/** Places for jobs that are not deliveries: each kind has a quarter of the worker's, beside those of the deliveries. */
export const placesOf = (concurrency: number) => Math.max(1, Math.floor(concurrency / 4))

/** How long Amazon SQS has for one answer, beside the time that it was asked to wait for messages. */
export const sqsRequestTimeout = Duration.seconds(5)

/** How long a request for messages waits for the first one; short enough to end within the drain's time. */
export const longPoll = Duration.seconds(5)

/** The same of a FIFO queue while the worker is at jobs of it. */
export const sqsBusyPoll = Duration.seconds(1)

/**
 * How long a message is hidden from others; who works on it says so thrice as often. What a killed worker had, and with it
 * its groups of a FIFO queue, comes back after 20 s at most; so does what was received when the database had gone. Circuits
 * and retries around SQS (6 s at most) and the next relay (18 s) are waited for meanwhile, so half a minute is kept.
 */
export const sqsVisibility = Duration.seconds(20)
export const sqsHeartbeat = Schedule.spaced("6 seconds")

/** How long Amazon SQS keeps a message that nobody takes: as long as it can. */
export const sqsRetention = Duration.days(14)

/** After so many receptions SQS itself moves a message away: as many as it allows, for in an outage there are three a minute. */
export const sqsBackstop = 1000

/** Amazon SQS is asked a few times within seconds before the start is given up. */
export const sqsStartRetry = Schedule.exponential("300 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 4 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** Removing or hiding a message is kept trying for about two seconds; then it comes again, and is known. */
export const sqsSettleRetry = Schedule.exponential("100 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 4 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** How long jobs that end together are collected, so that they are removed with one request. */
export const sqsSettleLinger = Duration.millis(15)

/** Rows of each queue that the relay looks at in one go, and requests to SQS that it makes at once. */
export const outboxWindow = 100
export const relayConcurrency = 4

/** How often the relay looks for jobs of other processes; of those of its own process it is told. */
export const relayPolling = Duration.millis(200)

/**
 * How long a relay that says nothing keeps its lease, how often it prolongs it, and how often others try to get it: after a
 * kill nothing is sent for 18 s at most.
 */
export const relayLease = Duration.seconds(15)
export const relayRenewal = Schedule.spaced("4 seconds")
export const relayWaiting = Duration.seconds(3)

/** How often the relay tries again when the database or SQS does not answer. */
export const relayRetry = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/** After which time a job that was sent and never came to its end is sent again, and how long one that did is known. */
export const outboxStuck = Duration.hours(24)
export const settledLifetime = Duration.days(30)

/**
 * How long after it was sent a job is sent again, with its group, when SQS gives one after it in its group: it has lost the
 * message. Purged queues do, those that keep messages too short a time, and emulators.
 */
export const outboxBlocking = Duration.seconds(10)

/** How long a job that came before an older one of its group is held before it goes back. */
export const sqsEarlyDelay = Duration.millis(250)

/** How often what SQS moved away by itself is looked for. */
export const sqsDeadPolling = Schedule.spaced("1 minute")

/** How long discarded dead letters can still be read. */
export const discardedLifetime = Duration.days(30)

/** How often what nobody needs to keep of the queues is removed. */
export const queueSweeping = Schedule.spaced("1 hour")

/** A worker whose queue does not answer asks again, less and less often, for as long as it runs. */
export const queueRetry = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered
)

/** A part of the worker that ended by an error of ours is started again, less and less often, and counts as failing for so long. */
export const workerRestart = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(
  Schedule.jittered
)
export const workerRestartWatch = Duration.minutes(1)

/** How often a worker publishes what waits in its queue. */
export const queueSampling = Schedule.spaced("5 seconds")
