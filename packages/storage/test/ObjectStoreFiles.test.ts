import * as NodeServices from "@effect/platform-node/NodeServices"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { objectStoreConformance } from "@devops-mcp/testing/conformance/ObjectStore"
import { assert, layer } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Exit, Fiber, FileSystem, Layer, Option, Schema } from "effect"
import * as ObjectStoreFiles from "../src/ObjectStoreFiles.ts"
import { largestObject } from "../src/Objects.ts"
import { StorageLive } from "../src/StorageLive.ts"

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "devops-mcp-storage-" })
)

const storeIn = (directory: string) =>
  Effect.map(Layer.build(ObjectStoreFiles.layer(directory)), (context) =>
    ObjectStore.pipe(Effect.provide(context))
  ).pipe(Effect.flatten)

objectStoreConformance(
  "ObjectStoreFiles",
  Layer.unwrap(Effect.map(folder, ObjectStoreFiles.layer)).pipe(Layer.provide(NodeServices.layer))
)

const filesIn = (directory: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readDirectory(directory, { recursive: true }))

layer(NodeServices.layer, { excludeTestServices: true })("ObjectStoreFiles", (it) => {
  const pieces = ["..", "/", "a", ".", "\\", "\u0000", "%2e%2e", "~", "-", "C:", "etc/passwd", "\n", "．．", "A", "é"]

  it.effect.prop(
    "writes nothing outside its folder, whatever the key",
    { key: Schema.Array(Schema.Union([Schema.Literals(pieces), Schema.String])).check(Schema.isMaxLength(6)) },
    ({ key }) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const outer = yield* folder
        yield* fs.writeFileString(`${outer}/witness`, "untouched")
        const store = yield* storeIn(`${outer}/objects`)
        const put = yield* Effect.exit(store.put(key.join(""), Uint8Array.of(1)))
        assert.strictEqual(Exit.isSuccess(put), /^(?!.*\.\.)[A-Za-z0-9._/-]{1,500}$/.test(key.join("")))
        assert.sameMembers(yield* fs.readDirectory(outer), ["objects", "witness"])
        assert.lengthOf(yield* fs.readDirectory(`${outer}/objects`), Exit.isSuccess(put) ? 2 : 1)
        yield* Effect.exit(store.delete(key.join("")))
        assert.deepStrictEqual(yield* filesIn(`${outer}/objects`), [".incoming"])
        assert.strictEqual(yield* fs.readFileString(`${outer}/witness`), "untouched")
      }).pipe(Effect.scoped)
  )

  it.effect("leaves files that only their owner can read, and no others", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const store = yield* storeIn(directory)
      yield* store.put("key", Uint8Array.of(1))
      assert.strictEqual((yield* fs.stat(directory)).mode & 0o777, 0o700)
      const files = yield* filesIn(directory)
      assert.lengthOf(files, 2)
      for (const file of files) {
        const { mode, type } = yield* fs.stat(`${directory}/${file}`)
        assert.strictEqual(mode & 0o777, type === "Directory" ? 0o700 : 0o600)
      }
    })
  )

  it.effect("keeps objects for the next program, and what an earlier one left behind an hour ago goes", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const before = yield* storeIn(directory)
      yield* before.put("key", Uint8Array.of(7))
      yield* fs.writeFileString(`${directory}/.incoming/old`, "half")
      yield* fs.utimes(`${directory}/.incoming/old`, new Date(0), new Date(0))
      yield* fs.writeFileString(`${directory}/.incoming/new`, "another program's")
      const after = yield* storeIn(directory)
      assert.deepStrictEqual(
        Option.map(yield* after.get("key"), (body) => [...body]),
        Option.some([7])
      )
      assert.deepStrictEqual(yield* fs.readDirectory(`${directory}/.incoming`), ["new"])
    })
  )

  it.effect("leaves nothing half when interrupted or refused", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const store = yield* storeIn(directory)
      const putting = yield* Effect.forkChild(store.put("key", new Uint8Array(20_000_000)), { startImmediately: true })
      yield* Fiber.interrupt(putting)
      const got = yield* store.get("key")
      assert.isTrue(Option.isNone(got) || got.value.length === 20_000_000)
      const error = yield* Effect.flip(store.put("large", new Uint8Array(largestObject + 1)))
      assert.deepInclude(error, { operation: "put", retryable: false })
      assert.deepStrictEqual(yield* fs.readDirectory(`${directory}/.incoming`), [])
    })
  )

  it.effect("says that it may be tried again when the disk failed", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      const store = yield* storeIn(directory)
      yield* fs.remove(`${directory}/.incoming`, { recursive: true })
      assert.deepInclude(yield* Effect.flip(store.put("key", Uint8Array.of(1))), { operation: "put", retryable: true })
    })
  )

  it.effect("fails when its folder cannot be made", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      yield* fs.writeFileString(`${directory}/file`, "")
      const error = yield* Effect.flip(storeIn(`${directory}/file`))
      assert.strictEqual(error.operation, "put")
    })
  )

  it.effect("StorageLive keeps objects under the home, and refuses what is no bucket's name in one sentence", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const live = (environment: Record<string, string>) =>
        Layer.build(StorageLive.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))))
      yield* live({ DEVOPS_MCP_HOME: home })
      assert.deepStrictEqual(yield* filesIn(home), ["objects", "objects/.incoming"])
      for (const wrong of ["ab", "Upper", "a/b", "-ab", "ab.", "x".repeat(64)]) {
        const error = yield* Effect.flip(live({ DEVOPS_MCP_HOME: home, S3_BUCKET: wrong }))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, "S3_BUCKET")
        assert.include(error.message, "the name of a bucket")
      }
    })
  )
})
