import { Authentication } from "@devops-mcp/core/access/Authentication"
import { scopesOf } from "@devops-mcp/core/Policy"
import {
  AccessTokens,
  AccessTokensUnavailable,
  refusedToken,
  type TokenClaims
} from "@devops-mcp/core/ports/AccessTokens"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import { NotFound, type Unauthenticated } from "@devops-mcp/domain/Errors"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Role, Scope } from "@devops-mcp/domain/Principal"
import { freshId } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Deferred, Effect, Fiber, Layer, Option, Redacted, Ref } from "effect"
import { Digest } from "effect/crypto"
import { Hex } from "effect/encoding"
import { TestClock } from "effect/testing"

const tenantId = freshId(TenantId)
const secret = Redacted.make("dmk_the_key_that_this_test_knows_of_00")
const key: ApiKey = {
  id: freshId(ApiKeyId),
  name: "ci",
  role: "agent",
  createdAt: DateTime.makeUnsafe(0)
}

const token = Redacted.make("header.claims.signature")
const claims: TokenClaims = {
  tenantId,
  subject: "ada",
  scopes: scopesOf("agent"),
  expiresAt: DateTime.makeUnsafe(3_600_000)
}

type Lookup = Effect.Effect<Option.Option<ApiKey>, StoreError>

type Verification = Effect.Effect<TokenClaims, Unauthenticated | AccessTokensUnavailable>

/** What the ports answer for the one key and any token, and how often they were asked. */
class Store extends Context.Service<
  Store,
  {
    readonly lookups: Ref.Ref<number>
    readonly answer: Ref.Ref<Lookup>
    readonly verifications: Ref.Ref<number>
    readonly verification: Ref.Ref<Verification>
    readonly tenants: Ref.Ref<ReadonlyArray<TenantId>>
  }
>()("@devops-mcp/core/test/Authentication.test/Store") {
  static readonly layer = Layer.effect(
    Store,
    Effect.gen(function* () {
      return Store.of({
        lookups: yield* Ref.make(0),
        answer: yield* Ref.make<Lookup>(Effect.succeedSome(key)),
        verifications: yield* Ref.make(0),
        verification: yield* Ref.make<Verification>(Effect.succeed(claims)),
        tenants: yield* Ref.make<ReadonlyArray<TenantId>>([tenantId])
      })
    })
  )
}

const Keys = Layer.effect(
  ApiKeyRepository,
  Effect.gen(function* () {
    const { answer, lookups } = yield* Store
    const digest = yield* Digest.Digest
    const known = Hex.encode(yield* digest.digest(Digest.sha256, new TextEncoder().encode(Redacted.value(secret))))
    const mock = Layer.mock(ApiKeyRepository, {
      findByHash: (hash) =>
        Effect.gen(function* () {
          yield* Ref.update(lookups, (count) => count + 1)
          if (hash !== known) return Option.none()
          const found = yield* Effect.flatten(Ref.get(answer))
          return Option.map(found, (key) => ({ tenantId, key }))
        })
    })
    return Context.get(yield* Layer.build(mock), ApiKeyRepository)
  })
)

const Tokens = Layer.effect(
  AccessTokens,
  Effect.map(Store, ({ verification, verifications }) =>
    AccessTokens.of({
      verify: () =>
        Effect.andThen(
          Ref.update(verifications, (count) => count + 1),
          Effect.flatten(Ref.get(verification))
        )
    })
  )
)

const Tenants = Layer.unwrap(
  Effect.map(Store, ({ tenants }) =>
    Layer.mock(TenantRepository, {
      get: (id) =>
        Effect.flatMap(Ref.get(tenants), (known) =>
          known.includes(id)
            ? Effect.succeed({ id, name: "acme", createdAt: DateTime.makeUnsafe(0) })
            : Effect.fail(new NotFound({ resource: "tenant", id }))
        )
    })
  )
)

const TestLayer = Authentication.layer.pipe(
  Layer.provide([Keys, Tokens, Tenants]),
  Layer.provideMerge(Store.layer),
  Layer.provide(NodeCrypto.layer)
)

const authenticate = (credential = secret) =>
  Effect.flatMap(Authentication, (authentication) => authentication.authenticate(credential))

const refusal = (credential = secret) => Effect.flip(authenticate(credential))

const answer = (lookup: Lookup) => Effect.flatMap(Store, (store) => Ref.set(store.answer, lookup))

const lookups = Effect.flatMap(Store, (store) => Ref.get(store.lookups))

const storeDown = new StoreError({ operation: "api_keys.findByHash", retryable: true, cause: new Error("down") })

describe("Authentication", () => {
  it.effect("gives the caller that a key stands for, with the scopes of its role", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* authenticate(), {
        tenantId,
        credential: "api_key",
        actor: key.id,
        name: "ci",
        role: "agent",
        scopes: scopesOf("agent")
      })
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("refuses unknown, revoked and expired keys, and says the same of all", () =>
    Effect.gen(function* () {
      const unknown = yield* refusal(Redacted.make("dmk_a_key_that_nobody_has_ever_given_out"))
      yield* answer(Effect.succeedSome({ ...key, revokedAt: DateTime.makeUnsafe(0) }))
      const revoked = yield* refusal()
      yield* TestClock.adjust("2 seconds")
      yield* answer(Effect.succeedSome({ ...key, expiresAt: yield* DateTime.now }))
      const expired = yield* refusal()
      assert.strictEqual(unknown._tag, "@devops-mcp/domain/Errors/Unauthenticated")
      assert.deepStrictEqual([revoked, expired], [unknown, unknown])
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("a key works until the moment it expires, also while its lookup is remembered", () =>
    Effect.gen(function* () {
      yield* answer(Effect.succeedSome({ ...key, expiresAt: DateTime.makeUnsafe(60_000) }))
      yield* TestClock.adjust(59_500)
      yield* authenticate()
      yield* TestClock.adjust(499)
      yield* authenticate()
      yield* TestClock.adjust(1)
      yield* refusal()
      assert.strictEqual(yield* lookups, 1)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("a revocation takes effect within a second", () =>
    Effect.gen(function* () {
      yield* authenticate()
      yield* answer(Effect.succeedSome({ ...key, revokedAt: yield* DateTime.now }))
      yield* TestClock.adjust("1 second")
      yield* refusal()
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("asks the store once for all calls within a second", () =>
    Effect.gen(function* () {
      yield* Effect.all(
        Array.from({ length: 100 }, () => authenticate()),
        { concurrency: "unbounded" }
      )
      yield* TestClock.adjust(999)
      yield* authenticate()
      assert.strictEqual(yield* lookups, 1)
      yield* TestClock.adjust(1)
      yield* authenticate()
      assert.strictEqual(yield* lookups, 2)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("says when the store does not answer, and does not remember it", () =>
    Effect.gen(function* () {
      yield* answer(Effect.fail(storeDown))
      assert.strictEqual(yield* refusal(), storeDown)
      yield* answer(Effect.succeedSome(key))
      yield* authenticate()
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("a caller that goes away takes no other down who waits for the same lookup", () =>
    Effect.gen(function* () {
      const [asked, answered] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      yield* answer(
        Deferred.succeed(asked, undefined).pipe(Effect.andThen(Deferred.await(answered)), Effect.as(Option.some(key)))
      )
      const leaves = yield* Effect.forkChild(authenticate())
      yield* Deferred.await(asked)
      const stays = yield* Effect.forkChild(authenticate(), { startImmediately: true })
      yield* Fiber.interrupt(leaves)
      yield* Deferred.succeed(answered, undefined)
      assert.strictEqual((yield* Fiber.join(stays)).actor, key.id)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )
})

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
