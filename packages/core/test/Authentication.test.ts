import { Revocations } from "@devops-mcp/core/access/Revocations"
import { scopesOf } from "@devops-mcp/core/Policy"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber, Option, Queue, Redacted, Ref } from "effect"
import { TestClock } from "effect/testing"
import {
  Store,
  TestLayer,
  answer,
  authenticate,
  key,
  lookups,
  refusal,
  storeDown,
  tenantId
} from "./AuthenticationFakes.ts"

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

  it.effect("a key with scopes of its own has those that its role has too, and no others", () =>
    Effect.gen(function* () {
      yield* answer(Effect.succeedSome({ ...key, scopes: ["tools:execute", "keys:admin", "events:read"] }))
      const { role, scopes } = yield* authenticate()
      assert.deepStrictEqual([role, new Set(scopes)], ["agent", new Set(["events:read", "tools:execute"])])
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
      // Its tenant's log says whose it was, of those that were somebody's.
      const { refusals } = yield* Store
      const known = { reason: "credential", principal: { tenantId, actor: key.id } }
      assert.containSubset(yield* Queue.takeAll(refusals), [known, known])
      assert.strictEqual(yield* Queue.size(refusals), 0)
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

  it.effect("a revocation that is announced takes effect at once, whatever is remembered and still being read", () =>
    Effect.gen(function* () {
      const [asked, answered] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      yield* answer(
        Deferred.succeed(asked, undefined).pipe(Effect.andThen(Deferred.await(answered)), Effect.as(Option.some(key)))
      )
      const reading = yield* Effect.forkChild(refusal())
      yield* Deferred.await(asked)
      yield* (yield* Revocations).announce(key.id)
      yield* Deferred.succeed(answered, undefined)
      const refused = yield* Fiber.join(reading)
      assert.strictEqual(yield* refusal(), refused)
      assert.strictEqual(yield* lookups, 1)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("a revocation that nobody heard of takes effect within a second", () =>
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

  it.effect("asks the store once in three seconds for a key that nobody has, and does not ask for what is no key", () =>
    Effect.gen(function* () {
      const unknown = Redacted.make("dmk_a_key_that_nobody_has_ever_given_out")
      const first = yield* refusal(unknown)
      yield* TestClock.adjust(2_999)
      assert.strictEqual(yield* refusal(unknown), first)
      assert.strictEqual(yield* lookups, 1)
      yield* TestClock.adjust(1)
      yield* refusal(unknown)
      assert.strictEqual(yield* lookups, 2)
      for (const none of ["dmk_short", `dmk_${"x".repeat(201)}`, `dmk_${"x".repeat(40)}!`]) {
        assert.strictEqual(yield* refusal(Redacted.make(none)), first)
      }
      assert.strictEqual(yield* lookups, 2)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("a flood of unknown keys does not drive out the known ones", () =>
    Effect.gen(function* () {
      yield* authenticate()
      const flood = Array.from({ length: 10_001 }, (_, n) => Redacted.make(`dmk_${String(n).padStart(40, "0")}`))
      yield* Effect.forEach(flood, refusal, { discard: true })
      yield* authenticate()
      assert.strictEqual(yield* lookups, 10_002)
      // The oldest of them was forgotten, the newest not.
      yield* Effect.forEach([flood[0]!, flood[10_000]!], refusal)
      assert.strictEqual(yield* lookups, 10_003)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("notes the use of a key once a minute, with nobody waiting, and again when it could not", () =>
    Effect.gen(function* () {
      const { notes, notesFail } = yield* Store
      yield* Ref.set(notesFail, true)
      yield* authenticate()
      assert.strictEqual(yield* Queue.take(notes), `${key.id} at 0`)
      yield* Ref.set(notesFail, false)
      yield* TestClock.adjust(1_000)
      yield* authenticate()
      assert.strictEqual(yield* Queue.take(notes), `${key.id} at 1000`)
      yield* answer(Effect.succeedSome({ ...key, lastUsedAt: DateTime.makeUnsafe(1_000) }))
      for (const millis of [1_000, 58_999]) {
        yield* TestClock.adjust(millis)
        yield* authenticate()
      }
      yield* TestClock.adjust(1_001)
      yield* authenticate()
      assert.strictEqual(yield* Queue.take(notes), `${key.id} at 62000`)
    }).pipe(Effect.provide(TestLayer, { local: true }))
  )

  it.effect("does not note the use of a key that is refused", () =>
    Effect.gen(function* () {
      const { notes } = yield* Store
      yield* answer(Effect.succeedSome({ ...key, expiresAt: DateTime.makeUnsafe(0) }))
      yield* refusal()
      yield* TestClock.adjust(1_000)
      yield* answer(Effect.succeedSome(key))
      yield* authenticate()
      assert.strictEqual(yield* Queue.take(notes), `${key.id} at 1000`)
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
