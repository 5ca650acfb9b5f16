import { SigningKey, signingKeyBytes } from "@devops-mcp/core/access/SigningKey"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { Secrets } from "@devops-mcp/core/secrets/Secrets"
import { TenantId } from "@devops-mcp/domain/Ids"
import { freshId } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"

const master = (byte: number) => Redacted.make(new Uint8Array(signingKeyBytes).fill(byte))

/** Runs with the keys of an installation, the newest first. */
const withKeys =
  (newest: number, ...previous: ReadonlyArray<number>) =>
  <A, E>(effect: Effect.Effect<A, E, Secrets>) =>
    Effect.provide(
      effect,
      Layer.fresh(Secrets.layer).pipe(
        Layer.provide(SigningKey.layer(master(newest), ...previous.map(master))),
        Layer.provide(NodeCrypto.layer)
      )
    )

const tenantId = freshId(TenantId)
const purpose = "test.column"

const seal = (text: string) => Secrets.use((secrets) => secrets.seal(tenantId, purpose, Redacted.make(text)))
const open = (sealed: string) =>
  Effect.map(
    Secrets.use((_) => _.open(tenantId, purpose, sealed)),
    Redacted.value
  )
const reason = (sealed: string) => Effect.map(Effect.flip(open(sealed)), (error) => error.reason)

describe("secrets", () => {
  it.effect.prop("come back as they were, and never the same way twice", { text: Schema.String }, ({ text }) =>
    Effect.gen(function* () {
      const [one, two] = [yield* seal(text), yield* seal(text)]
      assert.notStrictEqual(one, two)
      const wellFormed = text.toWellFormed()
      assert.deepStrictEqual([yield* open(one), yield* open(two)], [wellFormed, wellFormed])
      assert.isTrue(one.startsWith((yield* Secrets).newestPrefix))
    }).pipe(withKeys(1))
  )

  it.effect("do not open for another tenant or in another place", () =>
    Effect.gen(function* () {
      const secrets = yield* Secrets
      const sealed = yield* seal("hunter2")
      for (const attempt of [
        secrets.open(freshId(TenantId), purpose, sealed),
        secrets.open(tenantId, "test.other", sealed)
      ]) {
        assert.strictEqual((yield* Effect.flip(attempt)).reason, "not_genuine")
      }
    }).pipe(withKeys(1))
  )

  it.effect("do not open when any one character was changed, also where it differs in unused bits only", () =>
    Effect.gen(function* () {
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      // 23 bytes and the tag of 16 are 52 characters, the last of which has two bits too many.
      const sealed = yield* seal("a secret of some length")
      for (let at = 0; at < sealed.length; at++) {
        const next = alphabet[(alphabet.indexOf(sealed[at] ?? "") + 1) % alphabet.length] ?? ""
        for (const other of [next, "B", "x"]) {
          if (other === sealed[at]) continue
          const why = yield* reason(sealed.slice(0, at) + other + sealed.slice(at + 1))
          assert.include(["malformed", "unknown_key", "not_genuine"], why, `at ${at}`)
        }
      }
    }).pipe(withKeys(1))
  )

  it.effect.each(["", "hunter2", "dms1....", "dms2.0123456789abcdef.a.b.c"])("are not made of %j", (text) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reason(text), "malformed")
      assert.isFalse(Schema.is(SealedText)(text))
    }).pipe(withKeys(1))
  )

  it.effect("say which key they need, and nothing of themselves", () =>
    Effect.gen(function* () {
      const sealed = yield* withKeys(1)(seal("hunter2"))
      const error = yield* withKeys(2)(Effect.flip(open(sealed)))
      assert.strictEqual(error.reason, "unknown_key")
      assert.include(error.message, sealed.split(".")[1] ?? "no key id")
      assert.notInclude(String(error), sealed)
    })
  )

  it.effect("open with a previous key, and without it once they were renewed", () =>
    Effect.gen(function* () {
      const sealed = yield* withKeys(1)(seal("hunter2"))
      const renewed = yield* withKeys(
        2,
        1
      )(
        Effect.gen(function* () {
          assert.strictEqual(yield* open(sealed), "hunter2")
          const secrets = yield* Secrets
          assert.isFalse(sealed.startsWith(secrets.newestPrefix))
          return yield* secrets.renew(sealed)
        })
      )
      assert.strictEqual(yield* withKeys(2)(open(renewed)), "hunter2")
      assert.strictEqual(yield* withKeys(2)(reason(sealed)), "unknown_key")
      assert.strictEqual(yield* withKeys(1)(reason(renewed)), "unknown_key")
    })
  )

  it.effect("stay bound to their tenant when they are renewed", () =>
    Effect.gen(function* () {
      const renewed = yield* Effect.flatMap(seal("hunter2"), (sealed) => Secrets.use((_) => _.renew(sealed)))
      const elsewhere = yield* Effect.flip(Secrets.use((_) => _.open(freshId(TenantId), purpose, renewed)))
      assert.strictEqual(elsewhere.reason, "not_genuine")
    }).pipe(withKeys(1))
  )
})
