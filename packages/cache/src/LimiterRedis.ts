import { type Bucket, Limiter, type Taken } from "@devops-mcp/core/ports/Limiter"
import { limiterRetryAfter } from "@devops-mcp/resilience/Policies"
import { Duration, Effect, Layer } from "effect"
import { makeBatches } from "./LimiterBatches.ts"
import { counting, makeLocal } from "./LimiterLocal.ts"
import * as RateLimiterStoreMemory from "./RateLimiterStoreMemory.ts"
import * as RateLimiterStoreRedis from "./RateLimiterStoreRedis.ts"
import type { RedisConnection } from "./RedisConnection.ts"

const pause = Duration.toMillis(limiterRetryAfter)

const alone = "Redis does not answer; each replica counts its limits for itself"

const make = Effect.gen(function* () {
  const shared = yield* Effect.provide(counting, yield* Layer.build(RateLimiterStoreRedis.layer))
  const local = yield* Effect.provide(makeLocal, yield* Layer.build(RateLimiterStoreMemory.layer))
  const batches = makeBatches()
  let lostUntil = 0

  const lose = (now: number) => {
    const known = lostUntil > 0
    lostUntil = now + pause
    return known ? Effect.void : Effect.logWarning(alone)
  }

  const find = Effect.suspend(() => {
    if (lostUntil === 0) return Effect.void
    lostUntil = 0
    return Effect.logInfo("Redis answers again; the replicas share their limits")
  })

  /** Asks Redis, or this process alone while Redis is lost; one request after each pause tries Redis for all others. */
  const or = <A, E>(ask: (now: number) => Effect.Effect<A, E>, aside: Effect.Effect<A>) =>
    Effect.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      if (now < lostUntil) return aside
      if (lostUntil > 0) lostUntil = now + pause
      return Effect.matchEffect(ask(now), {
        onFailure: () => Effect.andThen(lose(clock.currentTimeMillisUnsafe()), aside),
        onSuccess: (answer) => (lostUntil === 0 ? Effect.succeed(answer) : Effect.as(find, answer))
      })
    })

  const takeShared = (bucket: Bucket, now: number) => {
    const tokens = batches.size(bucket)
    const learned = (taken: Taken, count: number) => {
      batches.learn(bucket, taken, count, now)
      return taken
    }
    const one = Effect.map(shared.take(bucket, 1), (taken) => learned(taken, 1))
    if (tokens === 1) return one
    batches.begin(bucket.key)
    return shared.take(bucket, tokens).pipe(
      // There were not so many any more, but there may be one.
      Effect.flatMap((taken) => (taken.allowed ? Effect.succeed(learned(taken, tokens)) : one)),
      Effect.ensuring(Effect.sync(() => batches.end(bucket.key)))
    )
  }

  return Limiter.of({
    take: (bucket) =>
      Effect.clockWith((clock) => {
        const known = batches.known(bucket, clock.currentTimeMillisUnsafe())
        return known === undefined ? or((now) => takeShared(bucket, now), local.take(bucket)) : Effect.succeed(known)
      }),
    add: (key, lifetime) => or(() => shared.add(key, lifetime), local.add(key, lifetime)),
    count: (key) => or(() => shared.count(key), local.count(key)),
    check: Effect.mapError(Effect.asVoid(shared.count("check")), () => ({ message: alone }))
  })
})

/** Limits that all replicas share, and each replica's own ones while Redis is away: never none. */
export const layer: Layer.Layer<Limiter, never, RedisConnection> = Layer.effect(Limiter, make)
