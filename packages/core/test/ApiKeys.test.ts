import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { Revocations } from "@devops-mcp/core/access/Revocations"
import { SigningKey, signingKeyBytes } from "@devops-mcp/core/access/SigningKey"
import { scopesOf } from "@devops-mcp/core/Policy"
import { AccessTokens } from "@devops-mcp/core/ports/AccessTokens"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { Bus, BusError } from "@devops-mcp/core/ports/Bus"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { ApiKeyId, type TenantId } from "@devops-mcp/domain/Ids"
import { type Principal, Role, Scope } from "@devops-mcp/domain/Principal"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { Clock, Context, DateTime, Effect, Layer, Redacted, References, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"

const Shared = RepositoriesLive.pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      TestDatabase,
      BusMemory.layer,
      AccessTokens.layerRefusing,
      NodeCrypto.layer,
      Layer.succeed(References.MinimumLogLevel, "None")
    )
  )
)

const keyOf = (byte: number) => Redacted.make(new Uint8Array(signingKeyBytes).fill(byte))

/** One process of several on the same database and bus, with the installation's keys as this one has them. */
const replica = (newest = 7, ...previous: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Layer.fresh(
        Layer.merge(ApiKeys.layer, Authentication.layer).pipe(
          Layer.provide([Revocations.layer, Audit.layer]),
          Layer.provide(SigningKey.layer(keyOf(newest), ...previous.map(keyOf)))
        )
      )
    )
    return { keys: Context.get(context, ApiKeys), authentication: Context.get(context, Authentication) }
  })

/** A clock that does not go on, and still lets others wait. */
const stopped = Effect.map(Clock.clockWith(Effect.succeed), (clock): Clock.Clock => {
  const now = clock.currentTimeMillisUnsafe()
  return Object.assign(Object.create(clock), {
    currentTimeMillisUnsafe: () => now,
    currentTimeMillis: Effect.succeed(now)
  })
})

const admin = (tenantId: TenantId, scopes: ReadonlyArray<Scope> = scopesOf("admin")): Principal => ({
  tenantId,
  credential: "api_key",
  actor: freshId(ApiKeyId),
  name: "admin",
  role: "admin",
  scopes
})

const refused = "@devops-mcp/domain/Errors/Unauthenticated"

/** How the key is stored. */
const rowOf = Effect.fnUntraced(function* (id: ApiKeyId) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql`select lookup_id, hash, scheme, prefix, last_used_at, name from api_keys where id = ${id}`
  return row ?? {}
})

/** Waits until somebody has changed the key's row: what is written off the request's path has no other end. */
const rowOnceUsed = Effect.fnUntraced(function* (id: ApiKeyId) {
  return yield* Effect.repeat(rowOf(id), { until: (row) => row["lastUsedAt"] !== null })
})

layer(Shared, { excludeTestServices: true, timeout: "60 seconds" })("API keys", (it) => {
  it.effect(
    "one that is revoked at one replica is refused by the others as soon as they hear, without a new lookup",
    () =>
      Effect.gen(function* () {
        const [a, b] = [yield* replica(), yield* replica()]
        const tenantId = yield* freshTenant
        const { key, secret } = yield* a.keys.create(admin(tenantId), { name: "ci", role: "agent" })
        yield* Effect.gen(function* () {
          for (const { authentication } of [a, b]) {
            assert.strictEqual((yield* authentication.authenticate(secret)).actor, key.id)
          }
          yield* a.keys.revoke(tenantId, key.id)
          assert.strictEqual((yield* Effect.flip(a.authentication.authenticate(secret)))._tag, refused)
          // For ever, if the bus does not say it: what B has looked up never gets older.
          const attempt = Effect.result(b.authentication.authenticate(secret))
          const last = yield* Effect.repeat(attempt, { until: Result.isFailure })
          assert.strictEqual(Result.isFailure(last) && last.failure._tag, refused)
        }).pipe(Effect.provideService(Clock.Clock, yield* stopped))
      })
  )

  it.effect("one that is revoked while the bus is down is revoked all the same", () =>
    Effect.gen(function* () {
      const down = (operation: "publish" | "subscribe") => new BusError({ operation, cause: new Error("down") })
      const Down = Layer.succeed(Bus, {
        publish: () => Effect.fail(down("publish")),
        subscribe: () => Effect.fail(down("subscribe"))
      })
      const tenantId = yield* freshTenant
      const [a, b] = [yield* Effect.provide(replica(), Down), yield* replica()]
      const { key, secret } = yield* b.keys.create(admin(tenantId), { name: "ci", role: "agent" })
      yield* a.authentication.authenticate(secret)
      yield* a.keys.revoke(tenantId, key.id)
      assert.strictEqual((yield* Effect.flip(a.authentication.authenticate(secret)))._tag, refused)
      assert.strictEqual((yield* Effect.flip(b.authentication.authenticate(secret)))._tag, refused)
    })
  )

  it.effect("are stored under their lookup id with an HMAC, and their use is noted", () =>
    Effect.gen(function* () {
      const { authentication, keys } = yield* replica()
      const { key, secret } = yield* keys.create(admin(yield* freshTenant), { name: "ci", role: "agent" })
      const text = Redacted.value(secret)
      assert.strictEqual(key.prefix, text.slice(0, 8))
      const stored = yield* rowOf(key.id)
      assert.containSubset(stored, {
        lookupId: text.slice(4, 20),
        scheme: "hmac-sha256",
        prefix: key.prefix,
        lastUsedAt: null
      })
      assert.notInclude(JSON.stringify(stored), text.slice(20))
      yield* authentication.authenticate(secret)
      const used = yield* rowOnceUsed(key.id)
      assert.deepStrictEqual({ ...used, lastUsedAt: null }, stored)
    })
  )

  it.effect("of earlier versions work, and are stored with the pepper once they were used", () =>
    Effect.gen(function* () {
      const { authentication } = yield* replica()
      const repository = yield* ApiKeyRepository
      const tenantId = yield* freshTenant
      const secret = Redacted.make(`dmk_${"k".repeat(43)}`)
      const bytes = yield* Effect.promise(() =>
        crypto.subtle.digest("SHA-256", new TextEncoder().encode(Redacted.value(secret)))
      )
      const hash = Buffer.from(bytes).toString("hex")
      const key = { id: freshId(ApiKeyId), name: "old", role: "viewer" as const, createdAt: yield* DateTime.now }
      yield* repository.create(tenantId, key, { lookupId: hash, scheme: "sha256", hash })
      assert.strictEqual((yield* authentication.authenticate(secret)).actor, key.id)
      const renewed = yield* Effect.repeat(rowOf(key.id), { until: (row) => row["scheme"] !== "sha256" })
      assert.containSubset(renewed, { scheme: "hmac-sha256", prefix: "dmk_kkkk" })
      assert.notInclude(JSON.stringify(renewed), hash)
      const { authentication: other } = yield* replica()
      assert.strictEqual((yield* other.authenticate(secret)).actor, key.id)
    })
  )

  it.effect("work through a change of the installation's key, and with the new one alone once they were used", () =>
    Effect.gen(function* () {
      const [before, during] = [yield* replica(1), yield* replica(2, 1)]
      const tenantId = yield* freshTenant
      const given = Redacted.make(`dmk_${crypto.randomUUID()}`)
      yield* before.keys.ensure("given", "viewer", given)
      const used = yield* before.keys.create(admin(tenantId), { name: "used", role: "agent" })
      const unused = yield* before.keys.create(admin(tenantId), { name: "unused", role: "agent" })
      yield* during.keys.ensure("again", "viewer", given)
      assert.strictEqual((yield* during.authentication.authenticate(given)).name, "given")
      yield* during.authentication.authenticate(used.secret)
      // Notes are written one after the other, so those before are complete.
      const last = yield* during.keys.create(admin(tenantId), { name: "last", role: "agent" })
      yield* during.authentication.authenticate(last.secret)
      yield* rowOnceUsed(last.key.id)
      const after = yield* replica(2)
      assert.strictEqual((yield* after.authentication.authenticate(given)).name, "given")
      assert.strictEqual((yield* after.authentication.authenticate(used.secret)).actor, used.key.id)
      assert.strictEqual((yield* Effect.flip(after.authentication.authenticate(unused.secret)))._tag, refused)
    })
  )

  it.effect("that look like one that was made, but were given, are told apart by their hash", () =>
    Effect.gen(function* () {
      const { authentication, keys } = yield* replica()
      const { key, secret } = yield* keys.create(admin(yield* freshTenant), { name: "made", role: "agent" })
      const alike = Redacted.make(`${Redacted.value(secret).slice(0, 20)}${"x".repeat(43)}`)
      assert.strictEqual((yield* Effect.flip(authentication.authenticate(alike)))._tag, refused)
      const { authentication: other, keys: others } = yield* replica()
      yield* others.ensure("given", "platform", alike)
      assert.strictEqual((yield* other.authenticate(alike)).role, "platform")
      assert.strictEqual((yield* other.authenticate(secret)).actor, key.id)
    })
  )

  it.effect.prop(
    "never have a scope beyond their role's or their giver's",
    { mine: Schema.Array(Scope), role: Role, scopes: Schema.NonEmptyArray(Scope).check(Schema.isUnique()) },
    ({ mine, role, scopes }) =>
      Effect.gen(function* () {
        const { authentication, keys } = yield* replica()
        const giver = admin(yield* freshTenant, mine)
        const given = yield* Effect.result(keys.create(giver, { name: "n", role, scopes }))
        const allowed =
          role !== "platform" && scopes.every((scope) => mine.includes(scope) && scopesOf(role).includes(scope))
        assert.strictEqual(given._tag === "Success", allowed)
        if (given._tag === "Failure") {
          assert.isTrue("pointer" in given.failure && ["/scopes", "/role"].includes(given.failure.pointer))
        } else {
          const caller = yield* authentication.authenticate(given.success.secret)
          assert.deepStrictEqual(new Set(caller.scopes), new Set(scopes))
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 20 } }
  )

  it.effect("with fewer scopes than their role give away no more than these", () =>
    Effect.gen(function* () {
      const { authentication, keys } = yield* replica()
      const narrow = { name: "n", role: "admin", scopes: ["keys:admin", "tools:read"] } as const
      const { secret } = yield* keys.create(admin(yield* freshTenant), narrow)
      const caller = yield* authentication.authenticate(secret)
      const pointers = yield* Effect.forEach(
        [
          keys.create(caller, { name: "n", role: "viewer" }),
          keys.create(caller, { name: "n", role: "viewer", scopes: ["events:read"] }),
          keys.create(caller, { name: "n", role: "viewer", scopes: ["keys:admin"] }),
          keys.create(caller, { name: "n", role: "platform", scopes: ["tools:read"] })
        ],
        (attempt) => Effect.map(Effect.flip(attempt), (error) => "pointer" in error && error.pointer)
      )
      assert.deepStrictEqual(pointers, ["/role", "/scopes", "/scopes", "/role"])
      const { key } = yield* keys.create(caller, { name: "n", role: "viewer", scopes: ["tools:read"] })
      assert.deepStrictEqual(key.scopes, ["tools:read"])
    })
  )
})
