import { ObjectStore, ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { Clock, Duration, Effect, FileSystem, Layer, Option, Path, type PlatformError } from "effect"
import { Digest, SecureRandom } from "effect/crypto"
import { largestObject, type Operation, refused, validKey, withinLimit } from "./Objects.ts"

/** No `put` takes so long: what is older was left behind by a program that ended in the middle of one. */
const abandoned = Duration.hours(1)

const failed = (operation: Operation) => (cause: PlatformError.PlatformError) =>
  new ObjectStoreError({
    operation,
    retryable: cause.reason._tag !== "BadArgument" && cause.reason._tag !== "PermissionDenied",
    cause
  })

const make = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const digest = yield* Digest.Digest
  const incoming = path.join(folder, ".incoming")

  const sweep = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    yield* Effect.forEach(yield* fs.readDirectory(incoming), (name) => {
      const file = path.join(incoming, name)
      return Effect.gen(function* () {
        const { mtime } = yield* fs.stat(file)
        const age = now - Option.match(mtime, { onNone: () => now, onSome: (date) => date.getTime() })
        if (age > Duration.toMillis(abandoned)) yield* fs.remove(file, { force: true })
      }).pipe(Effect.ignore)
    })
  })

  const fileOf = Effect.fnUntraced(function* (operation: Operation, key: string) {
    const valid = yield* validKey(operation, key)
    return path.join(folder, yield* digest.digestHex(Digest.sha256, new TextEncoder().encode(valid)))
  })

  const write = Effect.fnUntraced(function* (file: string, body: Uint8Array) {
    const handle = yield* fs.open(file, { flag: "wx", mode: 0o600 })
    yield* handle.writeAll(body)
    yield* handle.sync
  }, Effect.scoped)

  const syncFolder = Effect.scoped(Effect.flatMap(fs.open(folder), (handle) => handle.sync))

  const put = Effect.fn("ObjectStoreFiles.put")(function* (key: string, body: Uint8Array) {
    yield* Effect.annotateCurrentSpan({ key, bytes: body.byteLength })
    const file = yield* fileOf("put", key)
    yield* withinLimit(body)
    const temporary = path.join(incoming, SecureRandom.uuidV4Unsafe())
    yield* write(temporary, body).pipe(
      Effect.andThen(fs.rename(temporary, file)),
      Effect.andThen(syncFolder),
      Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true }))),
      Effect.mapError(failed("put"))
    )
  })

  const read = Effect.fnUntraced(function* (file: string) {
    const { size } = yield* fs.stat(file)
    return size > largestObject ? Option.none() : Option.some(yield* fs.readFile(file))
  })

  const get = Effect.fn("ObjectStoreFiles.get")(function* (key: string) {
    yield* Effect.annotateCurrentSpan({ key })
    const file = yield* fileOf("get", key)
    const body = yield* Effect.result(read(file))
    if (body._tag === "Failure") {
      return body.failure.reason._tag === "NotFound" ? Option.none() : yield* failed("get")(body.failure)
    }
    if (Option.isNone(body.success)) return yield* refused("get")("The file is larger than any object")
    return body.success
  })

  const remove = Effect.fn("ObjectStoreFiles.delete")(function* (key: string) {
    yield* Effect.annotateCurrentSpan({ key })
    const file = yield* fileOf("delete", key)
    yield* Effect.mapError(fs.remove(file, { force: true }), failed("delete"))
  })

  yield* Effect.gen(function* () {
    yield* fs.makeDirectory(incoming, { recursive: true, mode: 0o700 })
    yield* fs.chmod(folder, 0o700)
    yield* sweep
  }).pipe(Effect.mapError(failed("put")))

  return ObjectStore.of({ put, get, delete: remove })
})

/**
 * Objects as files in one folder that only this user can read. A file is named by the digest of its key, so that no key
 * leads out of the folder, is too long or differs from another by case alone. Survives `kill -9` and loss of power.
 */
export const layer = (folder: string): Layer.Layer<ObjectStore, ObjectStoreError> =>
  Layer.effect(ObjectStore, make(folder)).pipe(
    Layer.provide([NodeFileSystem.layer, NodePath.layer, NodeCrypto.layerDigest])
  )
