import { Array, Effect, Redacted, Schema } from "effect"
import { Digest, Mac, SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import type { KeyProof } from "../ports/ApiKeyRepository.ts"
import { SigningKey } from "./SigningKey.ts"

/** What tells a key from any other credential. */
export const apiKeyPrefix = "dmk_"

/** What a key looks like, made by us or given as the bootstrap key. */
export const ApiKeySecret = Schema.String.check(Schema.isPattern(/^dmk_[A-Za-z0-9_-]{32,200}$/))

export const isApiKeySecret = Schema.is(ApiKeySecret)

/** 12 bytes in base64url. */
const lookupIdLength = 16

/** Characters of a key, beside `dmk_`, by which people recognise it. */
const shownLength = 4

/** `dmk_`, the lookup id and 256 random bits. */
const madeLength = apiKeyPrefix.length + lookupIdLength + 43

const encoder = new TextEncoder()

const bytesOf = (text: string) => encoder.encode(text)

const sameText = (one: string, other: string) => Mac.timingSafeEqual(bytesOf(one), bytesOf(other))

/** A secret that somebody shows. */
export interface PresentedKey {
  /** How it begins, for people to recognise it. */
  readonly prefix: string
  /** Under which ids it may be stored: with a pepper of now or before, or as earlier versions did. */
  readonly lookupIds: ReadonlyArray<string>
  /** How to store it when it is new; who gives a secret may have put meaning into what would be its lookup id. */
  readonly proof: (origin: "made" | "given") => KeyProof
  /** Whether it is the secret that was stored. In constant time. */
  readonly proves: (stored: KeyProof) => boolean
  /** How to store it from now on; undefined when it is stored so already. */
  readonly renewed: (stored: KeyProof) => KeyProof | undefined
}

/** Makes a key: `dmk_`, a lookup id and 256 random bits. */
export const generateApiKey = Effect.gen(function* () {
  const random = yield* SecureRandom.SecureRandom
  const lookupId = Base64Url.encode(yield* random.randomBytes(12))
  const secret = Base64Url.encode(yield* random.randomBytes(32))
  return Redacted.make(`${apiKeyPrefix}${lookupId}${secret}`)
})

/**
 * What is stored and remembered of keys: HMAC-SHA-256 with a pepper, for the key itself has the entropy. The lookup id
 * of a key that was given is the beginning of its HMAC; it can look like one that was made, so every key is looked up
 * both ways, and told by its hash.
 */
export const makeApiKeySecrets = Effect.gen(function* () {
  const digests = yield* Digest.Digest
  const mac = yield* Mac.Mac
  const peppers = yield* Effect.forEach(yield* (yield* SigningKey).deriveAll("api-keys"), (pepper) =>
    Effect.orDie(Mac.key(Mac.hmacSha256, Redacted.value(pepper)))
  )

  /** Names a credential in memory without keeping it. */
  const digest = (secret: Redacted.Redacted) =>
    Effect.orDie(digests.digestHex(Digest.sha256, bytesOf(Redacted.value(secret))))

  const present = Effect.fnUntraced(function* (secret: Redacted.Redacted): Effect.fn.Return<PresentedKey> {
    const text = Redacted.value(secret)
    const sha256 = yield* digest(secret)
    const macs = yield* Effect.forEach(peppers, (pepper) =>
      Effect.map(Effect.orDie(mac.sign(pepper, bytesOf(text))), Base64Url.encode)
    )
    const [hash] = macs
    const ownId = text.slice(apiKeyPrefix.length, apiKeyPrefix.length + lookupIdLength)
    const proof = (lookupId: string): KeyProof => ({ lookupId, scheme: "hmac-sha256", hash })
    const derivedIds = Array.map(macs, (mac) => mac.slice(0, lookupIdLength))

    return {
      prefix: text.slice(0, apiKeyPrefix.length + shownLength),
      lookupIds: [...(text.length === madeLength ? [ownId] : []), ...derivedIds, sha256],
      proof: (origin) => proof(origin === "made" ? ownId : derivedIds[0]),
      proves: (stored) =>
        // All are compared, so that the time does not tell with which.
        (stored.scheme === "sha256" ? [sha256] : macs).filter((expected) => sameText(expected, stored.hash)).length > 0,
      renewed: (stored) =>
        stored.scheme === "hmac-sha256" && sameText(hash, stored.hash)
          ? undefined
          : proof(stored.lookupId === ownId ? ownId : derivedIds[0])
    }
  })

  return { digest, present }
})
