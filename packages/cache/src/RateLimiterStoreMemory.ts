import { Context, Duration, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"

interface Counter {
  count: number
  expiresAt: number
}

interface TokenBucket {
  tokens: number
  lastRefill: number
}

/** Keys of each kind that are kept. Who is forgotten starts anew, as after a restart. */
const defaultCapacity = 100_000

/** Entries in the order of their use; the one unused for longest goes when there are too many. */
const makeRecent = <V>(capacity: number) => {
  const entries = new Map<string, V>()
  return {
    get: (key: string): V | undefined => {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry
    },
    set: (key: string, entry: V) => {
      entries.set(key, entry)
      if (entries.size <= capacity) return
      for (const oldest of entries.keys()) {
        entries.delete(oldest)
        return
      }
    }
  }
}

/**
 * Effect's store in memory, bounded: its own keeps every key for ever, and addresses are keys that strangers choose.
 */
export const layerCapacity = (capacity: number): Layer.Layer<RateLimiter.RateLimiterStore> =>
  Layer.effect(
    RateLimiter.RateLimiterStore,
    Effect.gen(function* () {
      const unbounded = Context.get(yield* Layer.build(RateLimiter.layerStoreMemory), RateLimiter.RateLimiterStore)
      const counters = makeRecent<Counter>(capacity)
      const buckets = makeRecent<TokenBucket>(capacity)

      const count = (key: string, tokens: number, lifetime: number, limit: number | undefined, now: number) => {
        const known = counters.get(key)
        const counter = known !== undefined && known.expiresAt > now ? known : { count: 0, expiresAt: now }
        const total = counter.count + tokens
        if (tokens > 0 && (limit === undefined || total <= limit)) {
          counter.count = total
          counter.expiresAt += lifetime * tokens
          if (counter !== known) counters.set(key, counter)
        }
        return [total, counter.expiresAt - now] as const
      }

      const take = (key: string, tokens: number, limit: number, refill: number, overflow: boolean, now: number) => {
        let bucket = buckets.get(key)
        if (bucket === undefined) {
          bucket = { tokens: limit, lastRefill: now }
          buckets.set(key, bucket)
        }
        const added = Math.floor((now - bucket.lastRefill) / refill)
        if (added > 0) {
          bucket.tokens = Math.min(limit, bucket.tokens + added)
          bucket.lastRefill += added * refill
        }
        if (bucket.tokens >= limit) bucket.lastRefill = now
        const left = bucket.tokens - tokens
        if (overflow || left >= 0) bucket.tokens = left
        return [left, Math.max(0, now - bucket.lastRefill)] as const
      }

      return RateLimiter.RateLimiterStore.of({
        ...unbounded,
        fixedWindow: ({ key, limit, refillRate, tokens }) =>
          Effect.clockWith((clock) =>
            Effect.sync(() => count(key, tokens, Duration.toMillis(refillRate), limit, clock.currentTimeMillisUnsafe()))
          ),
        tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
          Effect.clockWith((clock) =>
            Effect.sync(() =>
              take(key, tokens, limit, Duration.toMillis(refillRate), allowOverflow, clock.currentTimeMillisUnsafe())
            )
          )
      })
    })
  )

/** Of 100,000 keys. */
export const layer = layerCapacity(defaultCapacity)
