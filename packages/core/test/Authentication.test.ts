import { Authentication } from "@devops-mcp/core/access/Authentication"
import { scopesOf } from "@devops-mcp/core/Policy"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
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

type Lookup = Effect.Effect<Option.Option<ApiKey>, StoreError>

/** What the store answers for the one key, and how often it was asked. */
class Store extends Context.Service<
  Store,
  {
    readonly lookups: Ref.Ref<number>
    readonly answer: Ref.Ref<Lookup>
  }
>()("@devops-mcp/core/test/Authentication.test/Store") {
  static readonly layer = Layer.effect(
    Store,
    Effect.gen(function* () {
      return Store.of({ lookups: yield* Ref.make(0), answer: yield* Ref.make<Lookup>(Effect.succeedSome(key)) })
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

const TestLayer = Authentication.layer.pipe(
  Layer.provide(Keys),
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
        apiKeyId: key.id,
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
      assert.strictEqual((yield* Fiber.join(stays)).apiKeyId, key.id)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )
})
