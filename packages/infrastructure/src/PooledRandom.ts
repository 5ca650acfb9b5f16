import { Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { randomFillSync } from "node:crypto"

/** Bytes drawn from the system at once. */
const poolSize = 16 * 1024

/** Longer draws are rare and go to the system directly. */
const longestPooled = 64

/**
 * The system's random bytes, drawn many at a time: each request needs a few ids, and a draw costs the same for sixteen
 * bytes as for thousands. Bytes are given out once, and nothing of them stays here.
 */
export const PooledRandomLive = Layer.sync(SecureRandom.SecureRandom, () => {
  const pool = new Uint8Array(poolSize)
  let used = poolSize
  return SecureRandom.make((size) => {
    if (size > longestPooled) return randomFillSync(new Uint8Array(size))
    if (used + size > poolSize) {
      randomFillSync(pool)
      used = 0
    }
    const drawn = pool.slice(used, used + size)
    pool.fill(0, used, used + size)
    used += size
    return drawn
  })
})
