import type { TenantId } from "@devops-mcp/domain/Ids"
import { Array, Context, Effect, Layer, Redacted, Result, Schema } from "effect"
import { Aead, type CryptoError, KeyWrap, SecureRandom } from "effect/crypto"
import { Base64Url, Hex } from "effect/encoding"
import { SigningKey } from "../access/SigningKey.ts"
import { canonicalJson } from "../CanonicalJson.ts"
import { sealedFormat, SealedText } from "./SealedText.ts"

const nonceBytes = Aead.aes256Gcm.nonceLength

/** A stored secret that nobody can read: its key is not configured any more, or it is not what was sealed for this. */
export class SecretUnreadable extends Schema.TaggedError<SecretUnreadable>()(
  "@devops-mcp/core/secrets/Secrets/SecretUnreadable",
  { reason: Schema.Literals(["malformed", "unknown_key", "not_genuine"]), keyId: Schema.optionalKey(Schema.String) }
) {
  override get message() {
    return this.reason === "unknown_key"
      ? `A stored secret cannot be read: it was sealed with the key ${this.keyId}, which is not configured`
      : "A stored secret cannot be read: it is not what was sealed for this place"
  }
}

interface Parts {
  readonly keyId: string
  readonly wrapped: Uint8Array
  readonly nonce: Uint8Array
  readonly ciphertext: Uint8Array
}

const isSealedText = Schema.is(SealedText)

/** Only the one text that encodes these bytes: the bits that a last character has too many must be zero. */
const bytesOf = (text: string | undefined): Uint8Array | undefined => {
  if (text === undefined) return undefined
  const bytes = Result.getOrUndefined(Base64Url.decode(text))
  return bytes !== undefined && Base64Url.encode(bytes) === text ? bytes : undefined
}

/** The parts of what has the form of a sealed text. */
const parse = (sealed: string): Effect.Effect<Parts, SecretUnreadable> => {
  const [, keyId, ...encoded] = isSealedText(sealed) ? sealed.split(".") : []
  const [wrapped, nonce, ciphertext] = encoded.map(bytesOf)
  return keyId !== undefined && wrapped !== undefined && nonce !== undefined && ciphertext !== undefined
    ? Effect.succeed({ keyId, wrapped, nonce, ciphertext })
    : Effect.fail(new SecretUnreadable({ reason: "malformed" }))
}

const prefixOf = (keyId: string) => `${sealedFormat}.${keyId}.`

const render = ({ ciphertext, keyId, nonce, wrapped }: Parts): SealedText =>
  SealedText.make(`${prefixOf(keyId)}${[wrapped, nonce, ciphertext].map(Base64Url.encode).join(".")}`)

/** What a ciphertext is bound to: a value that was moved to another tenant or another column does not open. */
const boundTo = (tenantId: TenantId, purpose: string) =>
  new TextEncoder().encode(canonicalJson([sealedFormat, tenantId, purpose]))

const notGenuine = (error: CryptoError.CryptoError): Effect.Effect<never, SecretUnreadable> =>
  error.reason._tag === "DecryptionFailed"
    ? Effect.fail(new SecretUnreadable({ reason: "not_genuine" }))
    : Effect.die(error)

/**
 * Secrets that we must be able to read again, encrypted at rest. Each has a random data key (AES-256-GCM), which is
 * wrapped with the installation's key (AES-256-KW), so that a new installation's key needs only that wrap renewed.
 * A column that holds sealed texts must be one of `SealedValues.columns`, so that rotation finds it.
 */
export class Secrets extends Context.Service<
  Secrets,
  {
    /** `purpose` names the place where the text will be stored, for example `tools.credentials`; at most 64 KiB. */
    readonly seal: (
      tenantId: TenantId,
      purpose: string,
      plaintext: Redacted.Redacted<string>
    ) => Effect.Effect<SealedText>
    readonly open: (
      tenantId: TenantId,
      purpose: string,
      sealed: string
    ) => Effect.Effect<Redacted.Redacted<string>, SecretUnreadable>
    /** The same secret under the newest key. The secret itself is not read for that. */
    readonly renew: (sealed: string) => Effect.Effect<SealedText, SecretUnreadable>
    /** What every text that was sealed with the newest key begins with. */
    readonly newestPrefix: string
  }
>()("@devops-mcp/core/secrets/Secrets") {
  static readonly layer = Layer.effect(
    Secrets,
    Effect.gen(function* () {
      const aead = yield* Aead.Aead
      const keyWrap = yield* KeyWrap.KeyWrap
      const random = yield* SecureRandom.SecureRandom
      const signingKey = yield* SigningKey

      const keys = Array.map(
        Array.zip(yield* signingKey.deriveAll("secrets"), yield* signingKey.deriveAll("secrets/key-id")),
        ([key, id]) => ({ key, id: Hex.encode(Redacted.value(id).subarray(0, 8)) })
      )
      const wrapping = yield* Effect.forEach(keys, ({ id, key }) =>
        Effect.map(Effect.orDie(KeyWrap.key(KeyWrap.aes256Kw, Redacted.value(key))), (key) => ({ id, key }))
      )
      const [newest] = wrapping
      const byId = new Map(wrapping.map(({ id, key }) => [id, key]))

      const wrap = (dataKey: Aead.Key) => Effect.orDie(keyWrap.wrap(newest.key, dataKey))

      const dataKeyOf = Effect.fnUntraced(function* ({ keyId, wrapped }: Parts) {
        const key = byId.get(keyId)
        if (key === undefined) return yield* new SecretUnreadable({ reason: "unknown_key", keyId })
        return yield* keyWrap.unwrap(key, Aead.aes256Gcm, wrapped).pipe(Effect.catch(notGenuine))
      })

      const seal = Effect.fn("Secrets.seal")(function* (
        tenantId: TenantId,
        purpose: string,
        plaintext: Redacted.Redacted<string>
      ) {
        const dataKey = yield* Effect.orDie(aead.generateKey(Aead.aes256Gcm))
        const nonce = yield* random.randomBytes(nonceBytes)
        const ciphertext = yield* aead
          .encrypt(dataKey, new TextEncoder().encode(Redacted.value(plaintext)), {
            nonce,
            aad: boundTo(tenantId, purpose)
          })
          .pipe(Effect.orDie)
        return render({
          keyId: newest.id,
          wrapped: yield* wrap(dataKey),
          nonce,
          ciphertext
        })
      })

      const open = Effect.fn("Secrets.open")(function* (tenantId: TenantId, purpose: string, sealed: string) {
        const parts = yield* parse(sealed)
        const plaintext = yield* aead
          .decrypt(yield* dataKeyOf(parts), parts.ciphertext, {
            nonce: parts.nonce,
            aad: boundTo(tenantId, purpose)
          })
          .pipe(Effect.catch(notGenuine))
        return Redacted.make(new TextDecoder().decode(plaintext))
      })

      const renew = Effect.fn("Secrets.renew")(function* (sealed: string) {
        const parts = yield* parse(sealed)
        return render({ ...parts, keyId: newest.id, wrapped: yield* wrap(yield* dataKeyOf(parts)) })
      })

      return Secrets.of({ seal, open, renew, newestPrefix: prefixOf(newest.id) })
    })
  )
}
