import { generateApiKey, isApiKeySecret, makeApiKeySecrets } from "@devops-mcp/core/access/ApiKeySecret"
import { credentialOf } from "@devops-mcp/core/access/Credential"
import { SigningKey, signingKeyBytes } from "@devops-mcp/core/access/SigningKey"
import type { KeyProof } from "@devops-mcp/core/ports/ApiKeyRepository"
import { TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Layer, Option, Redacted, Schema } from "effect"

const tokenOf = (headers: Readonly<Record<string, string>>) =>
  Option.getOrUndefined(Option.map(credentialOf(headers), Redacted.value))

const Token = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9._~+/=-]{1,40}$/))

describe("credentialOf", () => {
  it.prop("takes any bearer token, however the scheme is written", [Token], ([token]) => {
    for (const scheme of ["Bearer", "bearer", "BEARER  "]) {
      assert.strictEqual(tokenOf({ authorization: `${scheme} ${token}` }), token)
    }
    assert.strictEqual(tokenOf({ "x-api-key": token }), token)
    assert.strictEqual(tokenOf({ authorization: `Bearer ${token}`, "x-api-key": "other" }), token)
  })

  it("takes X-API-Key when the other header is of another scheme or malformed", () => {
    for (const authorization of ["Basic dTpw", "Bearer", "Bearer ", "Bearer a b", "Bearer a\nb", "dmk_x"]) {
      assert.isUndefined(tokenOf({ authorization }), authorization)
      assert.strictEqual(tokenOf({ authorization, "x-api-key": "key" }), "key", authorization)
    }
    assert.isUndefined(tokenOf({}))
  })

  it("does not show the credential", () => {
    const credential = credentialOf({ "x-api-key": "dmk_do_not_print_me" })
    assert.notInclude(`${JSON.stringify(credential)} ${String(credential)}`, "do_not_print_me")
  })
})

const allowed = Arbitrary.array(Arbitrary.schema(Schema.Literals([..."azAZ09_-"])), { minLength: 32, maxLength: 200 })

const Given = Schema.String.check(Schema.isPattern(/^dmk_[A-Za-z0-9_-]{32,80}$/))

/** `TestSigningKey` is of sevens. */
const Access = Layer.merge(NodeCrypto.layer, TestSigningKey)

const peppersOf = (newest: number, ...previous: ReadonlyArray<number>) => {
  const keyOf = (byte: number) => Redacted.make(new Uint8Array(signingKeyBytes).fill(byte))
  return SigningKey.layer(keyOf(newest), ...previous.map(keyOf)).pipe(Layer.provideMerge(NodeCrypto.layer))
}

describe("ApiKeySecret", () => {
  it.prop("takes dmk_ and 32 to 200 of the allowed characters", [allowed], ([characters]) => {
    assert.isTrue(isApiKeySecret(`dmk_${characters.join("")}`))
  })

  it("refuses everything else", () => {
    const long = "x".repeat(32)
    for (const secret of [
      "",
      long,
      `dmk_${long.slice(1)}`,
      `DMK_${long}`,
      `dmk_${long} `,
      `dmk_${long}.`,
      `dmk_${"x".repeat(201)}`
    ]) {
      assert.isFalse(isApiKeySecret(secret), secret)
    }
    assert.isFalse(isApiKeySecret(undefined))
  })

  it.effect("is made with 256 random bits behind a lookup id, each another", () =>
    Effect.gen(function* () {
      const made = yield* Effect.replicateEffect(generateApiKey, 50)
      for (const secret of made) assert.match(Redacted.value(secret), /^dmk_[\w-]{59}$/)
      assert.isTrue(made.every((secret) => isApiKeySecret(Redacted.value(secret))))
      for (const part of [(text: string) => text.slice(0, 20), (text: string) => text.slice(20)]) {
        assert.strictEqual(new Set(made.map((secret) => part(Redacted.value(secret)))).size, 50)
      }
    }).pipe(Effect.provide(Access))
  )

  it.effect("has a digest, SHA-256 in hexadecimal as any tool computes it", () =>
    Effect.gen(function* () {
      const { digest } = yield* makeApiKeySecrets
      const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
      assert.strictEqual(yield* digest(Redacted.make("abc")), abc)
    }).pipe(Effect.provide(Access))
  )

  it.effect.prop(
    "is proved by itself alone, however it is stored",
    { secret: Given, other: Given },
    ({ other, secret }) =>
      Effect.gen(function* () {
        const { digest, present } = yield* makeApiKeySecrets
        const [presented, stranger] = [yield* present(Redacted.make(secret)), yield* present(Redacted.make(other))]
        const sha256 = yield* digest(Redacted.make(secret))
        const legacy: KeyProof = { lookupId: sha256, scheme: "sha256", hash: sha256 }
        for (const stored of [legacy, presented.proof("given"), presented.proof("made")]) {
          assert.isTrue(presented.proves(stored))
          assert.strictEqual(stranger.proves(stored), other === secret)
        }
        assert.include(presented.lookupIds, presented.proof("given").lookupId)
        assert.include(presented.lookupIds, sha256)
        // What is stored of one scheme is worth nothing for the other.
        assert.isFalse(presented.proves({ ...presented.proof("given"), scheme: "sha256" }))
        assert.isFalse(presented.proves({ ...legacy, scheme: "hmac-sha256" }))
        assert.deepStrictEqual(presented.renewed(legacy), presented.proof("given"))
        assert.isUndefined(presented.renewed(presented.proof("given")))
        assert.notInclude(JSON.stringify(presented.proof("given")), secret.slice(4, 20))
      }).pipe(Effect.provide(Access))
  )

  it.effect("that was made is found by its own lookup id, whatever the pepper, and stored anew under the same", () =>
    Effect.gen(function* () {
      const secret = yield* generateApiKey
      const ownId = Redacted.value(secret).slice(4, 20)
      const before = (yield* (yield* makeApiKeySecrets).present(secret)).proof("made")
      assert.strictEqual(before.lookupId, ownId)
      const stranger = yield* Effect.provide(makeApiKeySecrets, peppersOf(9))
      assert.isFalse((yield* stranger.present(secret)).proves(before))
      const rotated = yield* (yield* Effect.provide(makeApiKeySecrets, peppersOf(9, 7))).present(secret)
      assert.isTrue(rotated.proves(before))
      assert.deepStrictEqual(rotated.renewed(before), { ...rotated.proof("given"), lookupId: ownId })
      assert.isUndefined(rotated.renewed(rotated.proof("made")))
    }).pipe(Effect.provide(Access))
  )

  it.effect("that was given is found by the HMAC of each pepper while they are exchanged", () =>
    Effect.gen(function* () {
      const secret = Redacted.make(`dmk_${"given".repeat(8)}`)
      const before = (yield* (yield* makeApiKeySecrets).present(secret)).proof("given")
      const rotated = yield* (yield* Effect.provide(makeApiKeySecrets, peppersOf(9, 7))).present(secret)
      assert.include(rotated.lookupIds, before.lookupId)
      assert.isTrue(rotated.proves(before))
      assert.deepStrictEqual(rotated.renewed(before), rotated.proof("given"))
      assert.notStrictEqual(rotated.proof("given").lookupId, before.lookupId)
    }).pipe(Effect.provide(Access))
  )
})
