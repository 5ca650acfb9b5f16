import { SigningKey } from "@devops-mcp/core/access/SigningKey"
import { databaseUrl, home } from "@devops-mcp/database/Settings"
import { Array, Effect, Layer, Option, Redacted } from "effect"
import { masterKeyFile } from "./MasterKeyFile.ts"
import { masterKeysOfSecretsManager } from "./MasterKeySecretsManager.ts"
import { type MasterKey, masterKeySource, previousEncryptionKeys } from "./MasterKeySettings.ts"

const ownKeys = Effect.gen(function* () {
  const source = yield* masterKeySource
  if (source._tag === "Variable") return Array.of(source.key)
  if (source._tag === "SecretsManager") return yield* masterKeysOfSecretsManager(source.prefix)
  if (Option.isSome(yield* databaseUrl)) {
    yield* Effect.logWarning("ENCRYPTION_KEY is not set: replicas on other machines will refuse what this one signs")
  }
  return Array.of(yield* masterKeyFile(yield* home))
})

const sameBytes = (one: MasterKey, other: MasterKey) => Buffer.compare(Redacted.value(one), Redacted.value(other)) === 0

/**
 * The installation's key: `ENCRYPTION_KEY`, else a secret of AWS Secrets Manager, else a file that only this user can
 * read; after it the keys of `ENCRYPTION_KEY_PREVIOUS`. Replicas need the same keys, so those on several machines need
 * one of the first two.
 */
export const SigningKeyLive = Layer.unwrap(
  Effect.gen(function* () {
    const [newest, ...older] = yield* ownKeys
    const previous = Array.dedupeWith([...older, ...(yield* previousEncryptionKeys)], sameBytes)
    return SigningKey.layer(newest, ...previous.filter((key) => !sameBytes(key, newest)))
  })
)
