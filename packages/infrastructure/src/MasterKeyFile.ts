import { signingKeyBytes } from "@devops-mcp/core/access/SigningKey"
import { Effect, FileSystem, Path, type PlatformError, Redacted, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Base64 } from "effect/encoding"

/** The key file is there and holds no key, or it cannot be read or made. */
export class KeyFileUnusable extends Schema.TaggedError<KeyFileUnusable>()(
  "@devops-mcp/infrastructure/MasterKeyFile/KeyFileUnusable",
  { path: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `The key file ${this.path} cannot be used: ${this.detail}. Mend it, or set ENCRYPTION_KEY.`
  }
}

const absent = (error: PlatformError.PlatformError): boolean => error.reason._tag === "NotFound"
const taken = (error: PlatformError.PlatformError): boolean => error.reason._tag === "AlreadyExists"

/**
 * The key in `DEVOPS_MCP_HOME`, made when there is none. A new one is written whole beside its place and then linked to
 * it, which succeeds for one process only: of two that start at once, both go on with the same key.
 */
export const masterKeyFile = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const random = yield* SecureRandom.SecureRandom
  const file = path.join(folder, "encryption-key")

  const unusable = (detail: string) => new KeyFileUnusable({ path: file, detail })

  const create = Effect.gen(function* () {
    yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
    const draft = `${file}.${yield* random.uuidV4()}`
    yield* Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(draft, { flag: "wx", mode: 0o600 })
        const key = Base64.encode(yield* random.randomBytes(signingKeyBytes))
        yield* handle.writeAll(new TextEncoder().encode(`${key}\n`))
        yield* handle.sync
      })
    ).pipe(
      Effect.andThen(Effect.catchIf(fs.link(draft, file), taken, () => Effect.void)),
      Effect.ensuring(Effect.ignore(fs.remove(draft, { force: true })))
    )
  })

  const read = fs.readFileString(file)
  const text = yield* read.pipe(
    Effect.catchIf(absent, () => Effect.andThen(create, read)),
    Effect.mapError((error) => unusable(error.reason._tag))
  )
  const key = Result.getOrUndefined(Base64.decode(text.trim()))
  if (key === undefined || key.length !== signingKeyBytes) {
    return yield* unusable(`it does not hold ${signingKeyBytes} bytes in base64`)
  }
  return Redacted.make(key)
})
