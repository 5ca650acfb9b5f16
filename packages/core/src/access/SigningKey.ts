import { Context, Effect, Layer, Redacted } from "effect"
import { Kdf } from "effect/crypto"

/** Bytes of the installation's key, and of each key derived from it. */
export const signingKeyBytes = 32

/**
 * The installation's secret, the same for all replicas. It is never used itself: each purpose has a key of its own,
 * so that what was signed for one is worth nothing for another.
 */
export class SigningKey extends Context.Service<
  SigningKey,
  {
    readonly derive: (purpose: string) => Effect.Effect<Redacted.Redacted<Uint8Array>>
  }
>()("@devops-mcp/core/access/SigningKey") {
  static readonly layer = (secret: Redacted.Redacted<Uint8Array>): Layer.Layer<SigningKey, never, Kdf.Kdf> =>
    Layer.effect(
      SigningKey,
      Effect.map(Kdf.Kdf, (kdf) =>
        SigningKey.of({
          derive: Effect.fn("SigningKey.derive")((purpose) =>
            kdf
              .derive(Kdf.hkdfSha256, Redacted.value(secret), {
                // RFC 5869 allows no salt; the secret is random already.
                salt: new Uint8Array(),
                info: new TextEncoder().encode(`devops-mcp/${purpose}`),
                length: signingKeyBytes
              })
              .pipe(Effect.orDie, Effect.map(Redacted.make))
          )
        })
      )
    )
}
