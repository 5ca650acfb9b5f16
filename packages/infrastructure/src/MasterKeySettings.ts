import { signingKeyBytes } from "@devops-mcp/core/access/SigningKey"
import { Array, Config, Effect, Option, Redacted, Result, Schema } from "effect"
import { Base64 } from "effect/encoding"

/** A key of the installation, before anything is derived from it. */
export type MasterKey = Redacted.Redacted<Uint8Array>

/** The key that a text stands for, if it is one. */
export const masterKeyOf = (text: string): Option.Option<MasterKey> =>
  Result.getSuccess(Base64.decode(text.trim())).pipe(
    Option.filter((bytes) => bytes.length === signingKeyBytes),
    Option.map((bytes) => Redacted.make(bytes))
  )

const KeyText = Schema.String.check(
  Schema.makeFilter((text) => Option.isSome(masterKeyOf(text)), { expected: `${signingKeyBytes} bytes in base64` })
)

const encryptionKey = Config.option(
  Config.schema(Schema.RedactedFromValue(KeyText), "ENCRYPTION_KEY").pipe(
    Config.map((text) => Option.getOrThrow(masterKeyOf(Redacted.value(text))))
  )
)

const secretsManagerPrefix = Config.option(
  Config.schema(
    Schema.String.check(
      Schema.isPattern(/^[A-Za-z0-9/_+=.@-]{1,480}$/, {
        expected: "1 to 480 of the characters that names of secrets have: A-Z, a-z, 0-9 and /_+=.@-"
      })
    ),
    "SECRETS_MANAGER_PREFIX"
  )
)

/** Where the installation's key comes from. */
export type MasterKeySource =
  | { readonly _tag: "Variable"; readonly key: MasterKey }
  | { readonly _tag: "SecretsManager"; readonly prefix: string }
  | { readonly _tag: "File" }

const oneSource = Schema.decodeUnknownEffect(
  Schema.Struct({
    SECRETS_MANAGER_PREFIX: Schema.optionalKey(
      Schema.String.check(
        Schema.makeFilter(() => false, {
          expected: "no value beside ENCRYPTION_KEY, as the key comes from one of the two"
        })
      )
    )
  })
)

/** `ENCRYPTION_KEY` or `SECRETS_MANAGER_PREFIX`; absent both: a file under `DEVOPS_MCP_HOME`. */
export const masterKeySource: Config.Config<MasterKeySource> = Config.all({
  key: encryptionKey,
  prefix: secretsManagerPrefix
}).pipe(
  Config.mapEffect(({ key, prefix }): Effect.Effect<MasterKeySource, Config.ConfigError> => {
    if (Option.isNone(key)) {
      return Effect.succeed(Option.isSome(prefix) ? { _tag: "SecretsManager", prefix: prefix.value } : { _tag: "File" })
    }
    return oneSource(Option.isSome(prefix) ? { SECRETS_MANAGER_PREFIX: "" } : {}).pipe(
      Effect.mapError((error) => new Config.ConfigError(error)),
      Effect.as({ _tag: "Variable", key: key.value })
    )
  })
)

const keysIn = (text: string) => text.split(",").map(masterKeyOf)

/** Keys of before, separated by commas: what was sealed and hashed with them is still good, and nothing new is. */
export const previousEncryptionKeys: Config.Config<ReadonlyArray<MasterKey>> = Config.schema(
  Schema.RedactedFromValue(
    Schema.String.check(
      Schema.makeFilter((text) => keysIn(text).every(Option.isSome), {
        expected: `keys of ${signingKeyBytes} bytes in base64, separated by commas`
      })
    )
  ),
  "ENCRYPTION_KEY_PREVIOUS"
).pipe(
  Config.map((text) => Array.getSomes(keysIn(Redacted.value(text)))),
  Config.withDefault<ReadonlyArray<MasterKey>>([])
)
