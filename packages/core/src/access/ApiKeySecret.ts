import { Effect, Redacted, Schema } from "effect"
import { Digest, SecureRandom } from "effect/crypto"
import { Base64Url, Hex } from "effect/encoding"

/** What tells a key from any other credential. */
export const apiKeyPrefix = "dmk_"

/** What a key looks like, made by us or given as the bootstrap key. */
export const ApiKeySecret = Schema.String.check(Schema.isPattern(/^dmk_[A-Za-z0-9_-]{32,200}$/))

export const isApiKeySecret = Schema.is(ApiKeySecret)

/** Makes keys with 256 random bits, and the hash under which a key is stored and looked up. */
export const makeApiKeySecrets = Effect.gen(function* () {
  const random = yield* SecureRandom.SecureRandom
  const digest = yield* Digest.Digest
  return {
    generate: Effect.map(random.randomBytes(32), (bytes) => Redacted.make(`${apiKeyPrefix}${Base64Url.encode(bytes)}`)),
    // The key itself has the entropy, so one SHA-256 is enough and a lookup by it leaks nothing about other keys.
    hash: (secret: Redacted.Redacted) =>
      digest
        .digest(Digest.sha256, new TextEncoder().encode(Redacted.value(secret)))
        .pipe(Effect.map(Hex.encode), Effect.orDie)
  }
})
