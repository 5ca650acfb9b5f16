import { Duration, Effect, Schedule } from "effect"

/** How long one action of the git tool takes at most, with its wait for a free slot; well under the 60 s of any call. */
export const gitActionTimeout = Duration.seconds(30)

/** Git processes at once in one program: they read disks, more of them only get slower. */
export const gitConcurrency = 4

/** How long a git process has to end after SIGTERM before it is killed. */
export const gitKillGrace = Duration.seconds(1)

/** How long any action of a tool takes at most. */
export const toolCallTimeout = Duration.seconds(60)

/** Failures that say whether the same call may succeed later, and how long they were asked to wait. */
export interface Retryable {
  readonly retryable: boolean
}

/** How often a job is tried before it becomes a dead letter. */
export const jobAttempts = 8

/** Between the attempts of a job: 1 s, 2 s, 4 s … up to a minute, so the last one comes some two minutes after the first. */
export const jobRetry = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(
  Schedule.jittered
)

/** How long a program may take to finish what it is doing when it is asked to stop. */
export const drainTimeout = Duration.seconds(8)

/** Audit rows are kept trying for some ten seconds: a database restart must not lose them. */
export const auditRetry = Schedule.exponential("100 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 7 }),
  Schedule.setInputType<Retryable>(),
  Schedule.while(({ input }) => input.retryable)
)

/** How long the local embedding model has to start; it takes half a second on an idle machine. */
export const modelStartTimeout = Duration.seconds(60)

/** How long the local embedding model has for one text; it takes up to a quarter of a second on an idle machine. */
export const modelTextTimeout = Duration.seconds(30)

/** After which time without a text the local embedding model gives its memory back. */
export const modelIdleTime = Duration.minutes(10)

/** Calls that may wait for the local embedding model; one more is told to come back later. */
export const modelCallsWaiting = 256

/** How long one request for embeddings to an API may take, with its answer's body. */
export const embeddingRequestTimeout = Duration.seconds(30)

/** Requests for embeddings to an API at once in one program. */
export const embeddingConcurrency = 4

/** Longer than this no caller waits inside one call because an API said `Retry-After`; the job's own schedule does. */
export const longestRetryAfter = Duration.seconds(20)

/** A failed request for embeddings to an API: a few tries within seconds, never before the API said we may. */
export const embeddingRequestRetry = Schedule.exponential("250 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 3 }),
  Schedule.setInputType<Retryable & { readonly retryAfter?: number }>(),
  Schedule.while(({ input }) => input.retryable && (input.retryAfter ?? 0) <= Duration.toMillis(longestRetryAfter)),
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.succeed(Duration.max(duration, Duration.millis(input.retryAfter ?? 0)))
  )
)

/** How long a connection to Redis may take to be made, at the start of the program and again after a loss. */
export const redisConnectTimeout = Duration.seconds(5)

/** How long Redis has to answer a command: callers go on without the cache rather than wait. */
export const redisCommandTimeout = Duration.seconds(2)

/** Milliseconds before the nth attempt to connect to a lost Redis; it goes on for ever, and never slower than this. */
export const redisReconnectDelay = (attempt: number) => Math.min(50 * 2 ** attempt, 2_000)

/** A worker whose queue does not answer asks again, less and less often, for as long as it runs. */
export const queueRetry = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered
)

/** How often a worker publishes what waits in its queue. */
export const queueSampling = Schedule.spaced("5 seconds")

/** How long a command waits to learn whether an instance is alive. */
export const instanceProbe = Duration.seconds(2)

/** How often the demo looks whether its events are processed, and how long it may take in all. */
export const demoPolling = Schedule.spaced("200 millis")
export const demoTimeout = Duration.seconds(60)
