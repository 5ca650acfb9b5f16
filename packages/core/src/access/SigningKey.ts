import { Array, Context, Effect, Layer, Redacted } from "effect"
import { Kdf } from "effect/crypto"

/** Bytes of the installation's key, and of each key derived from it. */
export const signingKeyBytes = 32

/** A key for one purpose. */
export type DerivedKey = Redacted.Redacted<Uint8Array>

/**
 * The installation's secret, the same for all replicas. It is never used itself: each purpose has a key of its own,
 * so that what was signed for one is worth nothing for another. While it is being replaced there are older ones too,
 * which are good for checking and opening only.
 */
export class SigningKey extends Context.Service<
  SigningKey,
  {
    /** The newest key: what is made now is made with it. */
    readonly derive: (purpose: string) => Effect.Effect<DerivedKey>
    /** The newest key and the previous ones, newest first. */
    readonly deriveAll: (purpose: string) => Effect.Effect<Array.NonEmptyReadonlyArray<DerivedKey>>
  }
>()("@devops-mcp/core/access/SigningKey") {
  static readonly layer = (
    newest: Redacted.Redacted<Uint8Array>,
    ...previous: ReadonlyArray<Redacted.Redacted<Uint8Array>>
  ): Layer.Layer<SigningKey, never, Kdf.Kdf> =>
    Layer.effect(
      SigningKey,
      Effect.map(Kdf.Kdf, (kdf) => {
        const deriveFrom = (secret: Redacted.Redacted<Uint8Array>, purpose: string) =>
          kdf
            .derive(Kdf.hkdfSha256, Redacted.value(secret), {
              // RFC 5869 allows no salt; the secret is random already.
              salt: new Uint8Array(),
              info: new TextEncoder().encode(`devops-mcp/${purpose}`),
              length: signingKeyBytes
            })
            .pipe(Effect.orDie, Effect.map(Redacted.make))
        return SigningKey.of({
          derive: Effect.fn("SigningKey.derive")((purpose) => deriveFrom(newest, purpose)),
          deriveAll: Effect.fn("SigningKey.deriveAll")((purpose) =>
            Effect.forEach(Array.make(newest, ...previous), (secret) => deriveFrom(secret, purpose))
          )
        })
      })
    )
}
