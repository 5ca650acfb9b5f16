import type { Bucket, Taken } from "@devops-mcp/core/ports/Limiter"
import { limiterBatchLifetime } from "@devops-mcp/resilience/Policies"
import { Duration } from "effect"

interface Batch {
  /** The bucket as it was after the batch was taken. */
  readonly taken: Taken
  readonly expiresAt: number
  left: number
}

/** Buckets for which something is remembered; the rest ask Redis each time. */
const capacity = 10_000

/** Of the tokens that are left one replica takes so large a part ahead. */
const share = 0.01

const lifetime = Duration.toMillis(limiterBatchLifetime)

/**
 * What one replica knows of the shared buckets: tokens it has taken ahead, so that not every request asks Redis, and
 * buckets that were empty, which need not be asked before they can have a token again.
 */
export const makeBatches = () => {
  const batches = new Map<string, Batch>()
  const empty = new Map<string, { readonly taken: Taken; readonly until: number }>()
  const asking = new Set<string>()

  const bounded = <V>(map: Map<string, V>, key: string, value: V) => {
    map.delete(key)
    map.set(key, value)
    if (map.size <= capacity) return
    for (const oldest of map.keys()) {
      map.delete(oldest)
      return
    }
  }

  return {
    /** The answer when Redis need not be asked. */
    known: ({ key }: Bucket, now: number): Taken | undefined => {
      const refused = empty.get(key)
      if (refused !== undefined && refused.until > now) {
        const passed = refused.taken.retryAfter - (refused.until - now)
        return {
          ...refused.taken,
          retryAfter: refused.until - now,
          resetAfter: Math.max(0, refused.taken.resetAfter - passed)
        }
      }
      const batch = batches.get(key)
      if (batch === undefined || batch.left === 0 || batch.expiresAt <= now) return undefined
      batch.left--
      return { ...batch.taken, remaining: batch.taken.remaining + batch.left }
    },

    /** How many tokens to take now. One at a time while a batch of the bucket is on its way. */
    size: ({ key, precision }: Bucket): number => {
      if (precision === "exact" || asking.has(key)) return 1
      return Math.max(1, Math.floor((batches.get(key)?.taken.remaining ?? 0) * share))
    },

    begin: (key: string) => void asking.add(key),
    end: (key: string) => void asking.delete(key),

    /** Remembers what came of taking them; what is left over is for the requests to come. */
    learn: ({ key, precision }: Bucket, taken: Taken, tokens: number, now: number) => {
      if (!taken.allowed) {
        if (tokens === 1) bounded(empty, key, { taken, until: now + taken.retryAfter })
        return
      }
      if (precision === "exact") return
      const batch = batches.get(key)
      const left = batch === undefined || batch.expiresAt <= now ? 0 : batch.left
      bounded(batches, key, {
        taken,
        expiresAt: left > 0 && tokens === 1 && batch !== undefined ? batch.expiresAt : now + lifetime,
        left: left + tokens - 1
      })
    }
  }
}
