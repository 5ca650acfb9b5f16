import { makeSecretWatch, listening, secretsOf, verifiedAtTheEnd } from "@devops-mcp/testing/SecretWatch"
import { runProgram } from "@devops-mcp/testing/Program"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { generateApiKey } from "@devops-mcp/core/access/ApiKeySecret"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Schema } from "effect"
import { Base64, Base64Url, Hex } from "effect/encoding"
import { writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const Secret = Schema.String.check(Schema.isPattern(/^[ -~]{8,40}$/))
const Around = Schema.String.check(Schema.isPattern(/^[a-z]{0,5}$/))

const encodings: ReadonlyArray<(text: string) => string> = [
  (text) => text,
  (text) => JSON.stringify({ text }),
  (text) => encodeURIComponent(text),
  (text) => Base64.encode(text),
  (text) => Base64Url.encode(text),
  (text) => Hex.encode(text)
]

describe("the watch of a whole run", () => {
  it.effect("knows every secret that was made, and hears logs, spans and the console of all tests", () =>
    Effect.gen(function* () {
      const watch = globalThis.runWatch
      assert.isDefined(watch)
      const key = Redacted.value(yield* Effect.provide(generateApiKey, NodeCrypto.layer))
      const password = `password ${Redacted.value(yield* Effect.provide(generateApiKey, NodeCrypto.layer))}`
      Redacted.make({ nested: [new URL(`postgres://u:${encodeURIComponent(password)}@h/d`)] }, { label: "database" })
      assert.deepStrictEqual(watch.leaks(), [])

      yield* Effect.logError("It failed", { cause: new Error(`with ${key}`) })
      yield* Effect.annotateCurrentSpan("credential", Base64.encode(`Bearer ${key}`)).pipe(Effect.withSpan("work"))
      yield* Effect.sync(() => console.error("connecting with", password))
      yield* Effect.sync(() => process.stderr.write(""))
      const leaks = watch.leaks()
      assert.deepStrictEqual(
        leaks.map((leak) => leak.split(":")[0]),
        ["a secret in logs", "a secret in spans", "database in console.error"]
      )
      assert.notInclude(leaks.join(), key)
      assert.deepStrictEqual(watch.leaks(), [])
    })
  )
})

describe("a watch for secrets", () => {
  it.effect.prop(
    "finds a secret wherever it stands, however it is written",
    { secret: Secret, before: Around, after: Around },
    ({ after, before, secret }) =>
      Effect.sync(() => {
        for (const encode of encodings) {
          const watch = makeSecretWatch()
          watch.hear("answers", encode(`${before}${secret}${after}`))
          watch.guard("it", secret)
          assert.strictEqual(watch.leaks().length, 1)
          assert.match(watch.leaks()[0] ?? "", /^it in answers: /)
        }
      })
  )

  it.effect("lets a secret be shown once, where it is created", () =>
    Effect.gen(function* () {
      const watch = makeSecretWatch()
      watch.guard("key", "dmk_0123456789", { shownOnceIn: "creation" })
      watch.hear("creation", `{"key":"dmk_0123456789"}`)
      yield* watch.verify
      watch.hear("creation", `{"key":"dmk_0123456789"}`)
      assert.strictEqual(watch.leaks().length, 1)
      watch.hear("logs", "dmk_0123456789")
      const { message } = yield* Effect.flip(watch.verify)
      assert.match(message, /key in logs/)
      assert.notInclude(message, "dmk_0123456789")
    })
  )

  it.effect("hears logs and spans, and is not content with silence", () =>
    Effect.gen(function* () {
      const watch = makeSecretWatch()
      assert.isTrue(Exit.isFailure(yield* Effect.exit(watch.verify)))
      watch.guard("password", Redacted.make("correct horse"))
      const work = Effect.fail("battery staple").pipe(
        Effect.withSpan("work", { attributes: { pass: "correct horse" } }),
        Effect.tapCause((cause) => Effect.logTrace("it is the correct horse", cause)),
        Effect.ignore
      )
      yield* Effect.provide(work, listening(watch))
      assert.deepStrictEqual(
        watch.leaks().map((leak) => leak.split(":")[0]),
        ["password in spans", "password in logs"]
      )
      const suite = Layer.build(verifiedAtTheEnd(watch))
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Effect.scoped(suite))))
    })
  )

  it.live("fails whoever runs a program that says what its environment hides", () =>
    Effect.gen(function* () {
      const env = { API_KEY: "from-the-environment", DATABASE_URL: "postgres://u:long%20enough@h/d", PORT: "12345678" }
      assert.deepStrictEqual(secretsOf(env), [
        ["API_KEY", "from-the-environment"],
        ["DATABASE_URL", "long%20enough"]
      ])
      const file = join(tmpdir(), `says-its-key-${crypto.randomUUID()}.mjs`)
      writeFileSync(file, "console.error('the key is', process.env.API_KEY)")
      const run = Effect.flatMap(runProgram([], env, file), ({ ended }) => ended)
      const exit = yield* Effect.exit(Effect.scoped(run))
      assert.isTrue(Exit.hasDies(exit))
      assert.include(String(exit), "API_KEY in standard error")
    })
  )
})
