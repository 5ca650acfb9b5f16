import { Duration } from "effect"

/** What Redis takes for a time to live: whole milliseconds, at least one, and no more than a thousand years. */
export const lifetime = (timeToLive: Duration.Duration): number =>
  Math.ceil(Math.min(Math.max(Duration.toMillis(timeToLive), 1), 3e13))
