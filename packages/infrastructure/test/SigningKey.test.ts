import { SigningKey } from "@devops-mcp/core/access/SigningKey"
import { SigningKeyLive } from "@devops-mcp/infrastructure/SigningKey"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, FileSystem, Layer, Logger, Redacted } from "effect"
import { Base64, Hex } from "effect/encoding"

const key = Base64.encode(Uint8Array.from({ length: 32 }, (_, index) => index))

/** What a program with this environment signs with. */
const derived = (env: Record<string, string>, purpose = "test") =>
  Effect.gen(function* () {
    return Hex.encode(Redacted.value(yield* (yield* SigningKey).derive(purpose)))
  }).pipe(
    Effect.provide(
      Layer.fresh(SigningKeyLive).pipe(
        Layer.provide([NodeCrypto.layer, NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromUnknown(env))])
      )
    )
  )

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

layer(NodeServices.layer, { excludeTestServices: true })("the installation's key", (it) => {
  it.effect("is that of ENCRYPTION_KEY, with another for each purpose", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const first = yield* derived({ ENCRYPTION_KEY: key, DEVOPS_MCP_HOME: home })
      assert.strictEqual(yield* derived({ ENCRYPTION_KEY: key }), first)
      assert.notStrictEqual(yield* derived({ ENCRYPTION_KEY: key }, "other"), first)
      assert.strictEqual(first.length, 64)
      assert.deepStrictEqual(yield* (yield* FileSystem.FileSystem).readDirectory(home), [])
    })
  )

  it.effect("is refused when it is no key, without being shown", () =>
    Effect.gen(function* () {
      for (const wrong of ["c2hvcnQ=", "not base64!", `${key}${key}`]) {
        const exit = yield* Effect.exit(derived({ ENCRYPTION_KEY: wrong }))
        assert.isTrue(Exit.isFailure(exit))
        const text = String(exit)
        assert.include(text, "ENCRYPTION_KEY")
        assert.notInclude(text, wrong)
      }
    })
  )

  it.effect("is made once in the home folder, for this user's eyes only", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const home = `${yield* folder}/new`
      const first = yield* derived({ DEVOPS_MCP_HOME: home })
      assert.strictEqual(yield* derived({ DEVOPS_MCP_HOME: home }), first)
      assert.deepStrictEqual(yield* fs.readDirectory(home), ["encryption-key"])
      assert.strictEqual((yield* fs.stat(`${home}/encryption-key`)).mode & 0o777, 0o600)
      assert.notStrictEqual(yield* derived({ DEVOPS_MCP_HOME: yield* folder }), first)
    })
  )

  it.effect("is the same for all that start at once", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const all = yield* Effect.all(
        Array.from({ length: 24 }, () => derived({ DEVOPS_MCP_HOME: home })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(all).size, 1)
      assert.deepStrictEqual(yield* (yield* FileSystem.FileSystem).readDirectory(home), ["encryption-key"])
    })
  )

  it.effect("is not made anew over a file that holds none", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const home = yield* folder
      yield* fs.writeFileString(`${home}/encryption-key`, "hunter2")
      const error = yield* Effect.flip(derived({ DEVOPS_MCP_HOME: home }))
      assert.include(error.message, `${home}/encryption-key`)
      assert.notInclude(error.message, "hunter2")
      assert.strictEqual(yield* fs.readFileString(`${home}/encryption-key`), "hunter2")
    })
  )

  it.effect("that is a file beside a shared database is warned of", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const warnings: Array<string> = []
      const collect = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Warn") warnings.push(String(message))
      })
      const start = (env: Record<string, string>) => Effect.provide(derived(env), Logger.layer([collect]))
      yield* start({ DEVOPS_MCP_HOME: home })
      yield* start({ ENCRYPTION_KEY: key, DATABASE_URL: "postgres://localhost/db" })
      assert.deepStrictEqual(warnings, [])
      yield* start({ DEVOPS_MCP_HOME: home, DATABASE_URL: "postgres://localhost/db" })
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], "ENCRYPTION_KEY")
    })
  )
})
