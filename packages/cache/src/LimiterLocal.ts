import type { Bucket, Counted, Limiter, Taken } from "@devops-mcp/core/ports/Limiter"
import { Duration, Effect } from "effect"
import { RateLimiter } from "effect/persistence"

/** What counts in one place; it may fail. */
export interface Counting<E> {
  readonly take: (bucket: Bucket, tokens: number) => Effect.Effect<Taken, E>
  readonly add: (key: string, lifetime: Duration.Duration) => Effect.Effect<Counted, E>
  readonly count: (key: string) => Effect.Effect<Counted, E>
}

/**
 * The token buckets of Effect's limiter on a store, as our port asks for them. The store is asked itself: `consume` of
 * `RateLimiter` fails to say that a limit is reached, and computes durations anew for each of the tokens of a request.
 */
export const counting = Effect.map(RateLimiter.RateLimiterStore, (store) => {
  const events = (key: string, tokens: number, refillRate: Duration.Duration) =>
    Effect.map(store.fixedWindow({ key, tokens, refillRate, limit: undefined }), ([total, leftAfter]): Counted => ({
      total,
      leftAfter
    }))

  const take = ({ key, limit, window }: Bucket, tokens: number) => {
    const interval = Duration.toMillis(window) / limit
    const refillRate = Duration.millis(interval)
    return Effect.map(
      store.tokenBucket({ key, tokens, limit, refillRate, allowOverflow: false }),
      // Of a bucket that has not so many it says how many are lacking, and takes none.
      ([left, sinceRefill]): Taken => {
        const until = (missing: number) => Math.max(0, Math.ceil(missing) * interval - sinceRefill)
        const allowed = left >= 0
        return {
          allowed,
          limit,
          remaining: allowed ? Math.floor(left) : 0,
          resetAfter: until(limit - left - (allowed ? 0 : tokens)),
          retryAfter: allowed ? 0 : until(-left)
        }
      }
    )
  }

  return {
    take,
    add: (key, lifetime) => events(key, 1, lifetime),
    count: (key) => events(key, 0, Duration.zero)
  } satisfies Counting<RateLimiter.RateLimiterError>
})

/** Counts in this process alone: for one replica, and for each of them while they have nothing in common. */
export const makeLocal = Effect.map(counting, ({ add, count, take }) => ({
  take: (bucket: Bucket) => Effect.orDie(take(bucket, 1)),
  add: (key: string, lifetime: Duration.Duration) => Effect.orDie(add(key, lifetime)),
  count: (key: string) => Effect.orDie(count(key)),
  check: Effect.void
})) satisfies Effect.Effect<Limiter["Service"], never, RateLimiter.RateLimiterStore>
