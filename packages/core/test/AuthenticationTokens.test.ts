import { scopesOf } from "@devops-mcp/core/Policy"
import { AccessTokensUnavailable, refusedToken } from "@devops-mcp/core/ports/AccessTokens"
import { TenantId } from "@devops-mcp/domain/Ids"
import type { Role, Scope } from "@devops-mcp/domain/Principal"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Redacted, Ref } from "effect"
import { TestClock } from "effect/testing"
import {
  Store,
  TestLayer,
  type Verification,
  authenticate,
  claims,
  lookups,
  refusal,
  tenantId,
  token
} from "./AuthenticationFakes.ts"

const says = (verification: Verification) => Effect.flatMap(Store, (store) => Ref.set(store.verification, verification))

const verifications = Effect.flatMap(Store, (store) => Ref.get(store.verifications))

const setTenants = (tenants: ReadonlyArray<TenantId>) =>
  Effect.flatMap(Store, (store) => Ref.set(store.tenants, tenants))

const roles: ReadonlyArray<readonly [ReadonlyArray<Scope>, Role]> = [
  [scopesOf("viewer"), "viewer"],
  [scopesOf("agent"), "agent"],
  [scopesOf("operator").filter((scope) => scope !== "queues:admin"), "agent"],
  [scopesOf("platform"), "platform"],
  [["tenants:admin", "keys:admin"], "viewer"],
  [[], "viewer"]
]

describe("Authentication of access tokens", () => {
  it.effect("gives the caller that a token stands for", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* authenticate(token), {
        tenantId,
        credential: "jwt",
        actor: "ada",
        name: "ada",
        role: "agent",
        scopes: scopesOf("agent")
      })
      yield* says(Effect.succeed({ ...claims, client: "console" }))
      assert.containSubset(yield* authenticate(Redacted.make("another")), { actor: "ada", name: "console" })
      assert.strictEqual(yield* lookups, 0)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect.each(roles)("a token with %j is of the role %s, and has those scopes alone", ([scopes, role]) =>
    Effect.gen(function* () {
      yield* says(Effect.succeed({ ...claims, scopes }))
      const principal = yield* authenticate(token)
      assert.deepStrictEqual([principal.role, principal.scopes], [role, scopes])
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("a key is never taken for a token, nor a token for a key", () =>
    Effect.gen(function* () {
      yield* refusal(Redacted.make("dmk_a_key_that_nobody_has_ever_given_out"))
      assert.deepStrictEqual([yield* lookups, yield* verifications], [1, 0])
      yield* authenticate(token)
      assert.deepStrictEqual([yield* lookups, yield* verifications], [1, 1])
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("refuses a tenant that does not exist like a token that is no good, and notices within a minute", () =>
    Effect.gen(function* () {
      yield* says(Effect.fail(refusedToken))
      const bad = yield* refusal(token)
      yield* says(Effect.succeed({ ...claims, tenantId: freshId(TenantId) }))
      assert.deepStrictEqual(yield* refusal(token), bad)
      yield* says(Effect.succeed(claims))
      const other = Redacted.make("other")
      yield* authenticate(other)
      yield* setTenants([])
      yield* authenticate(other)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* refusal(other), bad)
      yield* setTenants([tenantId])
      yield* authenticate(other)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("verifies a token once a minute, and each token for itself", () =>
    Effect.gen(function* () {
      yield* authenticate(token)
      yield* TestClock.adjust(59_999)
      yield* authenticate(token)
      assert.strictEqual(yield* verifications, 1)
      yield* authenticate(Redacted.make("other"))
      assert.strictEqual(yield* verifications, 2)
      yield* TestClock.adjust(1)
      yield* authenticate(token)
      assert.strictEqual(yield* verifications, 3)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("a token that was verified works until it expires and not a moment longer", () =>
    Effect.gen(function* () {
      yield* says(Effect.succeed({ ...claims, expiresAt: DateTime.makeUnsafe(10_000) }))
      yield* authenticate(token)
      yield* says(Effect.fail(refusedToken))
      yield* TestClock.adjust(9_999)
      yield* authenticate(token)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* refusal(token), refusedToken)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("remembers no refusal, and API keys work while nobody can verify tokens", () =>
    Effect.gen(function* () {
      const down = new AccessTokensUnavailable({ retryable: true, cause: new Error("down") })
      yield* says(Effect.fail(down))
      assert.strictEqual(yield* refusal(token), down)
      yield* authenticate()
      yield* says(Effect.fail(refusedToken))
      yield* refusal(token)
      yield* says(Effect.succeed(claims))
      yield* authenticate(token)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )
})
