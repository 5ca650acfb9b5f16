import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Bootstrap } from "@devops-mcp/core/access/Bootstrap"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import { type Principal, Role } from "@devops-mcp/domain/Principal"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Exit, Layer, Option, Redacted, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { principalOf, UseCases } from "./Fakes.ts"

/** A database as it is before the first start. */
const emptied = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`truncate tenants cascade`)

const tenantsAndKeys = Effect.gen(function* () {
  const tenants = yield* (yield* TenantRepository).list({ limit: 10 })
  const [tenant] = tenants.items
  assert.isDefined(tenant)
  const keys = yield* (yield* ApiKeyRepository).list(tenant.id, { limit: 50 })
  const tools = yield* (yield* ToolRepository).list(tenant.id, { limit: 50 })
  return {
    tenants: tenants.items.length,
    keys: keys.items.map((key) => `${key.name}: ${key.role}`),
    tools: tools.items.map((tool) => `${tool.name}: ${tool.kind}`)
  }
})

const roleOf = (secret: Redacted.Redacted) =>
  Effect.flatMap(Authentication, (authentication) => authentication.authenticate(secret)).pipe(
    Effect.map((principal) => principal.role)
  )

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("access", (it) => {
  it.effect("the first start makes a tenant with a working platform key and the git tool, once", () =>
    Effect.gen(function* () {
      yield* emptied
      const { firstKey } = yield* Bootstrap
      const secret = Option.getOrThrow(yield* firstKey)
      assert.strictEqual(yield* roleOf(secret), "platform")
      assert.deepStrictEqual(yield* firstKey, Option.none())
      assert.deepStrictEqual(yield* tenantsAndKeys, { tenants: 1, keys: ["first key: platform"], tools: ["git: git"] })
    })
  )

  it.effect("many first starts at once make one key", () =>
    Effect.gen(function* () {
      yield* emptied
      const { firstKey } = yield* Bootstrap
      const made = yield* Effect.replicateEffect(firstKey, 8, { concurrency: "unbounded" })
      assert.strictEqual(made.filter(Option.isSome).length, 1)
      assert.deepStrictEqual(yield* tenantsAndKeys, { tenants: 1, keys: ["first key: platform"], tools: ["git: git"] })
    })
  )

  it.effect("a first start that died after it made the tenant does not lock everybody out", () =>
    Effect.gen(function* () {
      yield* emptied
      const tenants = yield* TenantRepository
      yield* tenants.first({ id: freshId(TenantId), name: "default", createdAt: yield* DateTime.now })
      const secret = Option.getOrThrow(yield* (yield* Bootstrap).firstKey)
      assert.strictEqual(yield* roleOf(secret), "platform")
      assert.deepStrictEqual((yield* tenantsAndKeys).tools, ["git: git"])
    })
  )

  it.effect("no first key is made where somebody has one, even one that is revoked", () =>
    Effect.gen(function* () {
      yield* emptied
      const keys = yield* ApiKeys
      const { firstKey } = yield* Bootstrap
      const { key, tenant } = yield* keys.issue({ name: "by hand", role: "admin" })
      assert.deepStrictEqual(yield* firstKey, Option.none())
      yield* keys.revoke(tenant.id, key.id)
      assert.deepStrictEqual(yield* firstKey, Option.none())
    })
  )

  it.effect("a given key works with the role platform, however many starts use it", () =>
    Effect.gen(function* () {
      yield* emptied
      const bootstrap = yield* Bootstrap
      const secret = Redacted.make(`dmk_${"given".repeat(8)}`)
      yield* Effect.replicateEffect(bootstrap.withKey(secret), 8, { concurrency: "unbounded" })
      assert.strictEqual(yield* roleOf(secret), "platform")
      assert.deepStrictEqual(yield* bootstrap.firstKey, Option.none())
      assert.deepStrictEqual(yield* tenantsAndKeys, { tenants: 1, keys: ["bootstrap: platform"], tools: ["git: git"] })
    })
  )

  it.effect("a start brings back neither a revoked key nor a tool that was removed", () =>
    Effect.gen(function* () {
      yield* emptied
      const bootstrap = yield* Bootstrap
      const secret = Redacted.make(`dmk_${"revoked".repeat(6)}`)
      yield* bootstrap.withKey(secret)
      const { actor, tenantId } = yield* (yield* Authentication).authenticate(secret)
      const apiKeyId = ApiKeyId.make(actor)
      yield* (yield* ApiKeys).revoke(tenantId, apiKeyId)
      yield* (yield* ToolRepository).delete(tenantId, "git")
      yield* bootstrap.withKey(secret)
      const { keys, tools } = yield* tenantsAndKeys
      assert.deepStrictEqual({ keys, tools }, { keys: ["bootstrap: platform"], tools: [] })
      const key = yield* (yield* ApiKeyRepository).get(tenantId, apiKeyId)
      assert.isDefined(key.revokedAt)
    })
  )

  it.effect("nobody gives a role beyond their own", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const tenantId = yield* freshTenant
      for (const mine of Role.literals) {
        for (const given of Role.literals) {
          const exit = yield* Effect.exit(keys.create(principalOf(tenantId, mine), { name: "n", role: given }))
          const isIncluded = Role.literals.indexOf(mine) >= Role.literals.indexOf(given)
          assert.strictEqual(Exit.isSuccess(exit), isIncluded, `${mine} gives ${given}`)
        }
      }
      const refused = yield* Effect.flip(keys.create(principalOf(tenantId, "agent"), { name: "n", role: "admin" }))
      assert.strictEqual("pointer" in refused && refused.pointer, "/role")
      const narrow: Principal = { ...principalOf(tenantId, "admin"), credential: "jwt", scopes: ["keys:admin"] }
      yield* Effect.flip(keys.create(narrow, { name: "n", role: "viewer" }))
    })
  )

  it.effect("only the platform gives keys to another tenant, and only to one that exists", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const [mine, other] = [yield* freshTenant, yield* freshTenant]
      const ask = (role: Role, tenantId: TenantId) =>
        keys.create(principalOf(mine, role), { name: "n", role: "viewer", tenantId })
      const tagOf = (role: Role, tenantId: TenantId) =>
        Effect.map(Effect.flip(ask(role, tenantId)), (error) => error._tag)
      const { secret } = yield* ask("platform", other)
      assert.strictEqual((yield* (yield* Authentication).authenticate(secret)).tenantId, other)
      assert.strictEqual(yield* tagOf("admin", other), "@devops-mcp/domain/Errors/Forbidden")
      assert.strictEqual(yield* tagOf("platform", freshId(TenantId)), "@devops-mcp/domain/Errors/NotFound")
      yield* ask("admin", mine)
    })
  )

  it.effect("a key is what it was made as, ends when it expires, and can be revoked", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const tenantId = yield* freshTenant
      const admin = principalOf(tenantId, "admin")
      const expiresAt = DateTime.add(yield* DateTime.now, { hours: 1 })
      const { key, secret } = yield* keys.create(admin, { name: "ci", role: "agent", expiresAt })
      const caller = yield* (yield* Authentication).authenticate(secret)
      assert.deepStrictEqual([caller.actor, caller.name, caller.role], [key.id, "ci", "agent"])
      yield* keys.revoke(tenantId, key.id)
      assert.isDefined((yield* (yield* ApiKeyRepository).get(tenantId, key.id)).revokedAt)
      const late = yield* Effect.flip(keys.create(admin, { name: "n", role: "agent", expiresAt: yield* DateTime.now }))
      assert.strictEqual("pointer" in late && late.pointer, "/expiresAt")
      for (const missing of [keys.revoke(tenantId, freshId(ApiKeyId)), keys.revoke(yield* freshTenant, key.id)]) {
        assert.strictEqual((yield* Effect.flip(missing))._tag, "@devops-mcp/domain/Errors/NotFound")
      }
    })
  )

  it.effect("every act of a burst is on record when the program ends", () =>
    Effect.gen(function* () {
      const tenantId = yield* freshTenant
      const principal = principalOf(tenantId, "agent")
      const scope = yield* Scope.make()
      const context = yield* Layer.build(Layer.fresh(Audit.layer)).pipe(Scope.provide(scope))
      const acts = Array.from({ length: 1_200 }, (_, index) => `act ${index}`)
      yield* Effect.gen(function* () {
        const audit = yield* Audit
        for (const action of acts) {
          yield* audit.record({ principal, action, outcome: "ok", changes: false, requestId: "r", durationMs: 1 })
        }
      }).pipe(Effect.provideContext(context))
      yield* Scope.close(scope, Exit.void)
      const audit = yield* AuditRepository
      const rows = yield* audit.lines(tenantId, { seq: 0, id: "00000000-0000-0000-0000-000000000000" }, 2_000)
      assert.deepStrictEqual(
        rows.map((row) => row.action),
        acts
      )
      assert.deepStrictEqual(yield* (yield* AuditTrail).verify(tenantId), { valid: true, checked: acts.length })
    })
  )
})
