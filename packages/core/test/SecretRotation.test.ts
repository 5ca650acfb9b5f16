import { Audit } from "@devops-mcp/core/audit/Audit"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { SigningKey, signingKeyBytes } from "@devops-mcp/core/access/SigningKey"
import { SealedValues } from "@devops-mcp/core/ports/SealedValues"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { toolCredentials, webhookSecret } from "@devops-mcp/core/secrets/Purposes"
import { SecretRotation } from "@devops-mcp/core/secrets/SecretRotation"
import { Secrets } from "@devops-mcp/core/secrets/Secrets"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { type TenantId, ToolId, WebhookId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Redacted, References } from "effect"
import { SqlClient } from "effect/sql"

const master = (byte: number) => Redacted.make(new Uint8Array(signingKeyBytes).fill(byte))

/** An installation with these keys, the newest first. */
const installation = (newest: number, ...previous: ReadonlyArray<number>) =>
  Layer.fresh(SecretRotation.layer).pipe(
    Layer.provideMerge(Layer.fresh(Secrets.layer)),
    Layer.provide(SigningKey.layer(master(newest), ...previous.map(master))),
    Layer.provide(NodeCrypto.layer)
  )

const now = DateTime.makeUnsafe(0)

const addTool = Effect.fnUntraced(function* (tenantId: TenantId, secret: string) {
  const id = freshId(ToolId)
  const sealed = yield* (yield* Secrets).seal(tenantId, toolCredentials(id), Redacted.make(secret))
  const tool = {
    id,
    name: `t${id.replaceAll("-", "")}`,
    kind: "k",
    config: {},
    version: 1,
    createdAt: now,
    updatedAt: now
  }
  yield* (yield* ToolRepository).create(tenantId, tool, sealed)
  return tool
})

/** A webhook as versions without sealing stored it. */
const addPlainWebhook = Effect.fnUntraced(function* (tenantId: TenantId, secret: string) {
  const sql = yield* SqlClient.SqlClient
  const id = freshId(WebhookId)
  yield* sql`insert into webhooks (id, tenant_id, source, name, secret, created_at)
    values (${id}, ${tenantId}, 'github', 'old', ${secret}, now())`
  return id
})

const credentialsOf = Effect.fnUntraced(function* (tenantId: TenantId, id: ToolId) {
  const sealed = Option.getOrThrow(yield* (yield* ToolRepository).credentials(tenantId, id))
  return Redacted.value(yield* (yield* Secrets).open(tenantId, toolCredentials(id), sealed))
})

const rotate = Effect.flatMap(SecretRotation, ({ run }) => run)

/** The audit log of an installation with these keys. */
const auditOf = (newest: number, ...previous: ReadonlyArray<number>) =>
  Layer.fresh(Layer.merge(Audit.layer, AuditTrail.layer)).pipe(
    Layer.provide(SigningKey.layer(master(newest), ...previous.map(master))),
    Layer.provide(NodeCrypto.layer)
  )

/** One act on record. */
const put = (tenantId: TenantId) =>
  Effect.flatMap(Audit, (audit) =>
    audit.record({
      principal: { tenantId, credential: "jwt", actor: "ada", name: "ada", role: "viewer", scopes: [] },
      action: "a",
      outcome: "ok",
      changes: true,
      requestId: "r",
      durationMs: 1
    })
  )

/** Nobody else's rows: the counts are those of the whole installation. */
const clean = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`delete from tools`
  yield* sql`delete from webhooks`
})

const TestLayer = Layer.merge(
  RepositoriesLive.pipe(Layer.provideMerge(TestDatabase)),
  Layer.succeed(References.MinimumLogLevel, "None")
)

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("the rotation of secrets", (it) => {
  it.effect("leaves no need for the previous key, in any tenant and in more than one batch", () =>
    Effect.gen(function* () {
      yield* clean
      const tenants = [yield* freshTenant, yield* freshTenant]
      const made = yield* Effect.forEach(tenants, (tenantId) =>
        Effect.forEach(
          Array.from({ length: 130 }, (_, n) => `s${n}`),
          (secret) => Effect.map(addTool(tenantId, secret), ({ id }) => ({ tenantId, id, secret }))
        )
      ).pipe(Effect.provide(installation(1)))
      assert.deepStrictEqual(yield* Effect.provide(rotate, installation(2, 1)), {
        renewed: 260,
        sealed: 0,
        changed: 0,
        chains: 0,
        unreadable: 0
      })
      yield* Effect.gen(function* () {
        for (const { id, secret, tenantId } of made.flat()) {
          assert.strictEqual(yield* credentialsOf(tenantId, id), secret)
        }
        assert.strictEqual((yield* rotate).renewed, 0)
      }).pipe(Effect.provide(installation(2)))
    })
  )

  it.effect("seals what earlier versions stored plain", () =>
    Effect.gen(function* () {
      yield* clean
      const tenantId = yield* freshTenant
      const webhooks = yield* WebhookRepository
      const id = yield* addPlainWebhook(tenantId, "hunter2")
      const before = (yield* webhooks.target(id)).secret
      assert.strictEqual(before._tag === "Plain" ? Redacted.value(before.plain) : before.sealed, "hunter2")
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* rotate).sealed, 1)
        const { secret } = yield* webhooks.target(id)
        if (secret._tag === "Plain") return assert.fail("still plain")
        const opened = yield* (yield* Secrets).open(tenantId, webhookSecret(id), secret.sealed)
        assert.strictEqual(Redacted.value(opened), "hunter2")
        assert.strictEqual((yield* rotate).sealed, 0)
      }).pipe(Effect.provide(installation(1)))
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`select secret from webhooks where id = ${id}`, [{ secret: null }])
    })
  )

  it.effect("renews a webhook's secret and the one before, which verifies too", () =>
    Effect.gen(function* () {
      yield* clean
      const tenantId = yield* freshTenant
      const webhooks = yield* WebhookRepository
      const id = freshId(WebhookId)
      const sealed = (secret: string) =>
        Effect.flatMap(Secrets, (secrets) => secrets.seal(tenantId, webhookSecret(id), Redacted.make(secret)))
      yield* Effect.gen(function* () {
        const webhook = { id, source: "github" as const, name: "w", createdAt: now }
        yield* webhooks.create(tenantId, webhook, yield* sealed("first"))
        yield* webhooks.rotateSecret(tenantId, id, yield* sealed("second"), DateTime.makeUnsafe("2100-01-01T00:00:00Z"))
      }).pipe(Effect.provide(installation(1)))
      assert.strictEqual((yield* Effect.provide(rotate, installation(2, 1))).renewed, 2)
      const { previous, secret } = yield* webhooks.target(id)
      const stored = [secret._tag === "Sealed" ? secret.sealed : "", previous?.sealed ?? ""]
      const opened = yield* Effect.forEach(stored, (text) =>
        Effect.flatMap(Secrets, (secrets) => secrets.open(tenantId, webhookSecret(id), text))
      ).pipe(Effect.provide(installation(2)))
      assert.deepStrictEqual(opened.map(Redacted.value), ["second", "first"])
    })
  )

  it.effect("leaves alone and counts what it cannot read, and goes on", () =>
    Effect.gen(function* () {
      yield* clean
      const tenantId = yield* freshTenant
      const lost = yield* Effect.provide(addTool(tenantId, "lost"), installation(9))
      const good = yield* Effect.provide(addTool(tenantId, "good"), installation(1))
      const counts = yield* Effect.provide(rotate, installation(2, 1))
      assert.deepStrictEqual(counts, { renewed: 1, sealed: 0, changed: 0, chains: 0, unreadable: 1 })
      assert.strictEqual(yield* Effect.provide(credentialsOf(tenantId, good.id), installation(2)), "good")
      assert.strictEqual(yield* Effect.provide(credentialsOf(tenantId, lost.id), installation(9)), "lost")
    })
  )

  it.effect("never puts an old secret in the place of one that was set meanwhile", () =>
    Effect.gen(function* () {
      yield* clean
      const tenantId = yield* freshTenant
      const tool = yield* Effect.provide(addTool(tenantId, "old"), installation(1))
      const values = yield* SealedValues
      const tools = yield* ToolRepository
      const sealed = yield* Effect.provide(
        Secrets.use((_) => _.seal(tenantId, toolCredentials(tool.id), Redacted.make("new"))),
        installation(2)
      )
      // An administrator is quicker, between the rotation's reading and its writing.
      const setMeanwhile = Effect.orDie(tools.update(tenantId, tool.name, { credentials: sealed }, now))
      const Interrupted = Layer.succeed(SealedValues, {
        ...values,
        replace: (...args) =>
          args[2].length === 0 ? Effect.succeed(0) : Effect.andThen(setMeanwhile, values.replace(...args))
      })
      const counts = yield* Effect.provide(rotate, Layer.provide(installation(2, 1), Interrupted))
      assert.deepStrictEqual(counts, { renewed: 0, sealed: 0, changed: 1, chains: 0, unreadable: 0 })
      assert.strictEqual(yield* Effect.provide(credentialsOf(tenantId, tool.id), installation(2)), "new")
    })
  )

  it.effect("can be run by several at once", () =>
    Effect.gen(function* () {
      yield* clean
      const tenantId = yield* freshTenant
      const made = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, n) => `s${n}`),
        (secret) => addTool(tenantId, secret)
      ).pipe(Effect.provide(installation(1)))
      const counts = yield* Effect.replicateEffect(rotate, 4, { concurrency: "unbounded" }).pipe(
        Effect.provide(installation(2, 1))
      )
      assert.strictEqual(
        counts.reduce((sum, { renewed }) => sum + renewed, 0),
        made.length
      )
    })
  )

  it.effect("knows every column whose name says that it holds sealed texts", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { columns } = yield* SealedValues
      const found = yield* sql<{ readonly table: string; readonly column: string }>`
          select c.relname as "table", a.attname as "column"
          from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
          where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname ~ '(^|_)sealed_'`
      const names = (places: typeof columns) => places.map(({ column, table }) => `${table}.${column}`).toSorted()
      assert.deepStrictEqual(names(found), names(columns))
    })
  )

  it.effect("seals the audit chains anew, and not one whose end is not ours", () =>
    Effect.gen(function* () {
      yield* clean
      const sql = yield* SqlClient.SqlClient
      const [ours, touched] = [yield* freshTenant, yield* freshTenant]
      for (const tenantId of [ours, touched]) {
        yield* Effect.scoped(Effect.provide(put(tenantId), auditOf(1)))
      }
      yield* sql`update audit_heads set seal = ${"0".repeat(64)} where tenant_id = ${touched}`
      const counts = yield* Effect.provide(rotate, installation(2, 1))
      assert.strictEqual(counts.chains, 1)
      assert.strictEqual((yield* Effect.provide(rotate, installation(2, 1))).chains, 0)
      // Without the key of before.
      const verify = (tenantId: TenantId) => Effect.flatMap(AuditTrail, (trail) => trail.verify(tenantId))
      assert.deepStrictEqual(yield* Effect.provide(verify(ours), auditOf(2)), { valid: true, checked: 1 })
      assert.isFalse((yield* Effect.provide(verify(touched), auditOf(2, 1))).valid)
    })
  )
})
