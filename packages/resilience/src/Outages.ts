import { Duration, Effect, Predicate, Schedule } from "effect"
import { longestJobDelay } from "./JobPolicies.ts"

/** When the circuit to a service opens, and for how long. */
export interface BreakerPolicy {
  /** Failures in a row that open it; only those count that say that the same call may succeed later. */
  readonly failures: number
  /** The nth opening in a row lasts the nth delay. */
  readonly openFor: Schedule.Schedule<unknown>
  /** Longer than this it does not open because the service said `Retry-After`. */
  readonly longestOpen: Duration.Duration
}

/** Openings that grow. Replicas have circuits of their own; they do not try the service at the same moment. */
const growing = (first: Duration.Input, longest: Duration.Input) =>
  Schedule.min([Schedule.exponential(first), Schedule.spaced(longest)]).pipe(Schedule.jittered)

/** How long who finds a circuit being tried should wait. */
export const breakerTrying = Duration.seconds(2)

/** For how long the circuit to something that nobody calls is remembered, and how often such circuits are forgotten. */
export const breakerIdleTime = Duration.minutes(10)
export const breakerSweeping = Schedule.spaced("1 minute")

/**
 * A call is a few tries already, so few calls in a row are enough to take the API for gone. A job that finds it open just
 * before it would be tried waits once more: 7 s (the longest opening, with its jitter) and the 20 s of `outageDelay` are
 * less than half a minute after the API's return.
 */
export const embeddingBreaker: BreakerPolicy = {
  failures: 3,
  openFor: growing("2 seconds", "6 seconds"),
  longestOpen: longestJobDelay
}

/** A circuit for each endpoint of each authorization server. */
export const oauthBreaker: BreakerPolicy = {
  failures: 5,
  openFor: growing("5 seconds", "1 minute"),
  longestOpen: Duration.minutes(5)
}

/** A circuit for each operation on each queue. It opens for less time than messages stay hidden without a heartbeat. */
export const sqsBreaker: BreakerPolicy = {
  failures: 5,
  openFor: growing("1 second", "5 seconds"),
  longestOpen: Duration.seconds(5)
}

/** How long a failure says to wait, if it does. */
const askedToWait = (failure: unknown) =>
  Predicate.hasProperty(failure, "retryAfter") && Predicate.isNumber(failure.retryAfter)
    ? Duration.millis(failure.retryAfter)
    : Duration.zero

/**
 * Who asks for messages goes on asking, less and less often, when the queue or the database does not answer, and not
 * before an open circuit lets a request through.
 */
export const sqsReceiveRetry = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.modifyDelay(({ duration, input }) => Effect.succeed(Duration.max(duration, askedToWait(input))))
)

/**
 * A job that found the circuit to a service open waits without using up an attempt: a quarter of its age, and never so
 * long that the service is back for half a minute before it is tried. After four hours its attempts count again.
 */
export const outageDelay = (age: Duration.Duration) =>
  Duration.clamp(Duration.times(age, 1 / 4), { minimum: Duration.seconds(5), maximum: Duration.seconds(20) })
export const longestOutage = Duration.hours(4)
