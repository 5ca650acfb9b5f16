import { ApiKeyRepository, type KeyProof } from "@devops-mcp/core/ports/ApiKeyRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import * as Migrations from "@devops-mcp/database/Migrations"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import { ApiKeyId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.mergeAll(RepositoriesLive, Tenancy.layer).pipe(Layer.provideMerge(TestDatabase))

const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")
const later = DateTime.add(now, { days: 1 })

const newKey = (): ApiKey => ({ id: freshId(ApiKeyId), name: "ci", role: "agent", createdAt: now })

const newProof = (): KeyProof => ({
  lookupId: crypto.randomUUID(),
  scheme: "hmac-sha256",
  hash: crypto.randomUUID()
})

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("API keys", (it) => {
  it.effect("are found in any tenant by their lookup ids, which are unique across tenants", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeyRepository
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      const [proof, other] = [newProof(), newProof()]
      const key: ApiKey = { ...newKey(), prefix: "dmk_abcd", scopes: ["tools:read", "events:read"], expiresAt: later }
      assert.isTrue(yield* keys.create(mine, key, proof))
      assert.isFalse(yield* keys.create(theirs, newKey(), { ...newProof(), lookupId: proof.lookupId }))
      assert.isFalse(yield* keys.create(mine, newKey(), proof))
      assert.deepStrictEqual(yield* keys.find([proof.lookupId, "x"]), [{ tenantId: mine, key, proof }])
      const second = newKey()
      yield* keys.create(theirs, second, other)
      const both = yield* keys.find([proof.lookupId, other.lookupId, proof.lookupId])
      assert.deepStrictEqual(new Set(both.map((stored) => stored.key.id)), new Set([key.id, second.id]))
      assert.deepStrictEqual((yield* keys.list(theirs, { limit: 10 })).items, [second])
      assert.deepStrictEqual(yield* keys.find(["", "x", "' or true --", proof.hash]), [])
    })
  )

  it.effect("are shown without what is stored of their secrets", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeyRepository
      const tenant = yield* freshTenant
      const [key, proof] = [newKey(), newProof()]
      yield* keys.create(tenant, key, proof)
      const shown = JSON.stringify([yield* keys.get(tenant, key.id), yield* keys.list(tenant, { limit: 10 })])
      for (const secret of [proof.hash, proof.lookupId]) assert.notInclude(shown, secret)
    })
  )

  it.effect("are revoked once: the first time stays", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeyRepository
      const tenant = yield* freshTenant
      const key = newKey()
      yield* keys.create(tenant, key, newProof())
      yield* keys.revoke(tenant, key.id, now)
      yield* keys.revoke(tenant, key.id, later)
      assert.deepStrictEqual(yield* keys.get(tenant, key.id), { ...key, revokedAt: now })
      assert.deepStrictEqual((yield* keys.list(tenant, { limit: 10 })).items, [{ ...key, revokedAt: now }])
      const missing = yield* Effect.flip(keys.revoke(tenant, freshId(ApiKeyId), now))
      assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
    })
  )

  it.effect("note their last use to the minute, and never an earlier one", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeyRepository
      const tenant = yield* freshTenant
      const key = newKey()
      yield* keys.create(tenant, key, newProof())
      const used = Effect.fnUntraced(function* (seconds: number) {
        yield* keys.markUsed(tenant, key.id, DateTime.add(now, { seconds }))
        const { lastUsedAt } = yield* keys.get(tenant, key.id)
        return lastUsedAt === undefined ? undefined : (lastUsedAt.epochMilliseconds - now.epochMilliseconds) / 1_000
      })
      const noted = yield* Effect.forEach([0, 1, 59.999, 60, 119, 0, 120], used)
      assert.deepStrictEqual(noted, [0, 0, 0, 60, 60, 60, 120])
      yield* keys.markUsed(yield* freshTenant, key.id, later)
      assert.strictEqual(yield* used(121), 120)
    })
  )

  it.effect("are stored in another way only by who has seen how they are", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeyRepository
      const tenant = yield* freshTenant
      const [key, from, to] = [newKey(), { ...newProof(), scheme: "sha256" as const }, newProof()]
      yield* keys.create(tenant, key, from)
      const stored = { tenantId: tenant, key, proof: from }
      yield* keys.renew({ ...stored, proof: newProof() }, newProof(), "dmk_no")
      assert.deepStrictEqual(yield* keys.find([from.lookupId]), [stored])
      yield* keys.renew(stored, to, "dmk_yes")
      assert.deepStrictEqual(yield* keys.find([from.lookupId]), [])
      const renewed = [{ tenantId: tenant, key: { ...key, prefix: "dmk_yes" }, proof: to }]
      assert.deepStrictEqual(yield* keys.find([to.lookupId]), renewed)
      yield* keys.renew(stored, newProof(), "dmk_late")
      assert.deepStrictEqual(yield* keys.find([to.lookupId]), renewed)
    })
  )

  it.effect("of earlier versions are found by their SHA-256 after the migration", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`drop schema public cascade`
      yield* sql`create schema public`
      yield* sql`grant usage on schema public to public`
      yield* Migrations.run(Effect.map(Migrations.migrations, (known) => known.filter(([id]) => id < 9)))
      const tenantId = yield* freshTenant
      const { createdAt, ...key } = newKey()
      const hash = "c0ffee".repeat(10)
      yield* sql`insert into api_keys ${sql.insert({ ...key, tenantId, hash, createdAt: DateTime.toDateUtc(createdAt) })}`
      yield* Migrations.migrate
      assert.deepStrictEqual(yield* (yield* ApiKeyRepository).find([hash]), [
        { tenantId, key: { ...key, createdAt }, proof: { lookupId: hash, scheme: "sha256", hash } }
      ])
      const [table] = yield* sql<{ readonly forced: boolean }>`
        select relforcerowsecurity as forced from pg_class where oid = 'api_keys'::regclass`
      assert.isTrue(table?.forced)
    })
  )
})
