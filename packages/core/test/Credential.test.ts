import { isApiKeySecret, makeApiKeySecrets } from "@devops-mcp/core/access/ApiKeySecret"
import { credentialOf } from "@devops-mcp/core/access/Credential"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Option, Redacted, Schema } from "effect"

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

  it.effect("makes keys that it takes, each another, and hashes them the same way each time", () =>
    Effect.gen(function* () {
      const { generate, hash } = yield* makeApiKeySecrets
      const made = yield* Effect.replicateEffect(generate, 50)
      const values = made.map(Redacted.value)
      assert.isTrue(values.every(isApiKeySecret))
      assert.strictEqual(new Set(values).size, 50)
      const hashes = yield* Effect.forEach(made, hash)
      assert.deepStrictEqual(yield* Effect.forEach(made, hash), hashes)
      assert.strictEqual(new Set(hashes).size, 50)
      // SHA-256 in hexadecimal, as any tool computes it.
      assert.strictEqual(
        yield* hash(Redacted.make("abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
      )
    }).pipe(Effect.provide(NodeCrypto.layer))
  )
})
