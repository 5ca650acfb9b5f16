import { listening, makeSecretWatch } from "@devops-mcp/testing/SecretWatch"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { Base64, Base64Url, Hex } from "effect/encoding"

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

  it("lets a secret be shown once, where it is created", () => {
    const watch = makeSecretWatch()
    watch.guard("key", "dmk_0123456789", { shownOnceIn: "creation" })
    watch.hear("creation", `{"key":"dmk_0123456789"}`)
    assert.deepStrictEqual(watch.leaks(), [])
    watch.hear("creation", `{"key":"dmk_0123456789"}`)
    assert.strictEqual(watch.leaks().length, 1)
    watch.hear("logs", "dmk_0123456789")
    assert.match(watch.leaks().join(), /key in logs/)
    assert.notInclude(watch.leaks().join(), "dmk_0123456789")
  })

  it.effect("hears logs and spans", () =>
    Effect.gen(function* () {
      const watch = makeSecretWatch()
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
    })
  )
})
