import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { StaleSignature, Unauthenticated } from "@devops-mcp/domain/Errors"
import { signatureAge } from "@devops-mcp/resilience/Policies"
import { Clock, Duration, Effect, Redacted } from "effect"
import { Mac } from "effect/crypto"
import { Hex } from "effect/encoding"

const encoder = new TextEncoder()

export const bytesOf = (text: string) => encoder.encode(text)

/** Whether two texts are equal, in a time that tells at most whether their lengths are. */
export const sameText = (one: string, other: string) => Mac.timingSafeEqual(bytesOf(one), bytesOf(other))

/** One answer for whatever is wrong, so that nobody learns from it what was right. */
export const refused = () => new Unauthenticated({ detail: "The delivery is not signed with this webhook's secret" })

export interface Signed {
  readonly key: Uint8Array
  readonly text: string
  /** A sender whose secret is being changed signs with both, so that one of several is enough. */
  readonly signatures: ReadonlyArray<string>
  readonly encode: (tag: Uint8Array) => string
}

/** Succeeds when one of the signatures is the text's HMAC-SHA256 under the key. Nothing is signed with an empty key. */
export const makeRequireSigned = Effect.map(Mac.Mac, (mac) =>
  Effect.fnUntraced(function* ({ encode, key, signatures, text }: Signed) {
    if (key.length === 0 || signatures.length === 0) return yield* refused()
    const hmacKey = yield* Effect.orDie(Mac.key(Mac.hmacSha256, key))
    const expected = encode(yield* Effect.orDie(mac.sign(hmacKey, bytesOf(text))))
    if (signatures.filter((signature) => sameText(signature, expected)).length === 0) return yield* refused()
  })
)

const timestampShape = /^\d{1,12}$/

/** The time that was signed, in seconds since 1970, as it was written. */
export const timestampHeader = (headers: WebhookHeaders, name: string) => {
  const value = headers[name]
  return value !== undefined && timestampShape.test(value) ? Effect.succeed(value) : Effect.fail(refused())
}

/** Refuses what was signed too long ago or in the future: whoever recorded a request may send it again. */
export const requireFresh = Effect.fnUntraced(function* (timestamp: string) {
  const age = (yield* Clock.currentTimeMillis) - Number(timestamp) * 1000
  if (Math.abs(age) <= Duration.toMillis(signatureAge)) return
  const detail = `The delivery was signed more than ${Duration.format(signatureAge)} ago, or by a clock that is ahead`
  return yield* new StaleSignature({ detail })
})

const sha256Shape = /^sha256=[0-9a-f]{64}$/

/** The verification that most senders share: `sha256=` and the HMAC-SHA256 of the body in hex, in one of the headers. */
export const makeVerifySha256 = (span: string, ...names: ReadonlyArray<string>) =>
  Effect.map(makeRequireSigned, (requireSigned): WebhookAdapter["verify"] =>
    Effect.fn(span)(function* ({ body, headers, secret }) {
      yield* requireSigned({
        key: bytesOf(Redacted.value(secret)),
        text: body,
        signatures: names.flatMap((name) => {
          const value = headers[name]
          return value !== undefined && sha256Shape.test(value) ? [value] : []
        }),
        encode: (tag) => `sha256=${Hex.encode(tag)}`
      })
    })
  )
