import type { Bucket, Counted, Limiter, Taken } from "@devops-mcp/core/ports/Limiter"
import { Duration, Effect } from "effect"
import { RateLimiter } from "effect/persistence"

/** What counts in one place; it may fail. */
export interface Counting<E> {
  readonly take: (bucket: Bucket, tokens: number) => Effect.Effect<Taken, E>
  readonly add: (key: string, lifetime: Duration.Duration) => Effect.Effect<Counted, E>
  readonly count: (key: string) => Effect.Effect<Counted, E>
}

/** Effect's limiter on a store, as our port asks for it. */
export const counting = Effect.gen(function* () {
  const store = yield* RateLimiter.RateLimiterStore
  const limiter = yield* RateLimiter.make

  const events = (key: string, tokens: number, refillRate: Duration.Duration) =>
    Effect.map(store.fixedWindow({ key, tokens, refillRate, limit: undefined }), ([total, leftAfter]): Counted => ({
      total,
      leftAfter
    }))

  const take = ({ key, limit, window }: Bucket, tokens: number) =>
    limiter.consume({ algorithm: "token-bucket", key, limit, window, tokens }).pipe(
      Effect.map(({ remaining, resetAfter }): Taken => ({
        allowed: true,
        limit,
        remaining: Math.floor(remaining),
        resetAfter: Duration.toMillis(resetAfter),
        retryAfter: 0
      })),
      Effect.catchReason("RateLimiterError", "RateLimitExceeded", ({ retryAfter }) => {
        const wait = Duration.toMillis(retryAfter)
        const interval = Duration.toMillis(window) / limit
        return Effect.succeed<Taken>({
          allowed: false,
          limit,
          remaining: 0,
          resetAfter: wait + (limit - tokens) * interval,
          retryAfter: wait
        })
      })
    )

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
