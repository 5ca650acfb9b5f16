import { DateTime, type Duration, Effect, Option, Redacted, Result, Schema } from "effect"
import { Mac, SecureRandom } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { canonicalJson } from "../CanonicalJson.ts"
import { SigningKey } from "./SigningKey.ts"

const Body = Schema.fromJsonString(
  Schema.Struct({ payload: Schema.Json, expiresAt: Schema.DateTimeUtcFromMillis, nonce: Schema.String })
)
const encodeBody = Schema.encodeEffect(Body)
const decodeBody = Schema.decodeEffect(Body)

/** What a seal says. The nonce is different in each, whatever it is about. */
export interface Sealed {
  readonly payload: Schema.Json
  readonly expiresAt: DateTime.Utc
  readonly nonce: string
}

const bytesOf = (text: string) => new TextEncoder().encode(text)

/**
 * Texts that clients keep for us and can neither make nor change. A seal is good for a time and for what it is bound
 * to, JSON that both sides of its way know and that is not in it. What it says can be read by who holds it.
 */
export const makeSeals = Effect.fnUntraced(function* (purpose: string, lifetime: Duration.Duration) {
  const mac = yield* Mac.Mac
  const random = yield* SecureRandom.SecureRandom
  const secret = yield* (yield* SigningKey).derive(purpose)
  const key = yield* Effect.orDie(Mac.key(Mac.hmacSha256, Redacted.value(secret)))

  const tagOf = (bound: unknown, body: string) =>
    mac.sign(key, bytesOf(canonicalJson([bound, body]))).pipe(Effect.orDie, Effect.map(Base64Url.encode))

  const seal = Effect.fnUntraced(function* (bound: unknown, payload: Schema.Json) {
    const expiresAt = DateTime.addDuration(yield* DateTime.now, lifetime)
    const nonce = Base64Url.encode(yield* random.randomBytes(16))
    const body = Base64Url.encode(yield* Effect.orDie(encodeBody({ payload, expiresAt, nonce })))
    return { text: `${body}.${yield* tagOf(bound, body)}`, expiresAt }
  })

  /** None for whatever was not sealed here, for this, within its time; one cannot tell which. */
  const open = Effect.fnUntraced(function* (bound: unknown, text: string): Effect.fn.Return<Option.Option<Sealed>> {
    const end = text.lastIndexOf(".")
    const body = text.slice(0, Math.max(end, 0))
    // The texts are compared, not the bytes they stand for: several texts of base64 stand for the same bytes.
    const genuine = Mac.timingSafeEqual(bytesOf(yield* tagOf(bound, body)), bytesOf(text.slice(end + 1)))
    if (!genuine) return Option.none()
    const sealed = yield* Effect.orDie(decodeBody(Result.getOrThrow(Base64Url.decodeString(body))))
    return DateTime.isLessThan(yield* DateTime.now, sealed.expiresAt) ? Option.some(sealed) : Option.none()
  })

  return { seal, open }
})
