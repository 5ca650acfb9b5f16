import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { IdempotencyRepository } from "@devops-mcp/core/ports/IdempotencyRepository"
import { SearchIndex } from "@devops-mcp/core/ports/SearchIndex"
import { TaskRepository } from "@devops-mcp/core/ports/TaskRepository"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import {
  ApiKeyId,
  AuditId,
  ChunkId,
  ContextId,
  ContextItemId,
  DeliveryId,
  DocumentId,
  EventId,
  TaskId,
  type TenantId,
  ToolId,
  WebhookId
} from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = RepositoriesLive.pipe(Layer.provideMerge(TestDatabase))

const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")

/** One of everything, all with ids and names of its own. */
const makeRows = () => ({
  context: { id: freshId(ContextId), name: "c", maxTokens: 9, metadata: {}, createdAt: now },
  item: {
    id: freshId(ContextItemId),
    role: "user" as const,
    content: "secret",
    tokens: 1,
    pinned: false,
    metadata: {},
    createdAt: now
  },
  document: {
    id: freshId(DocumentId),
    title: "d",
    text: "t",
    metadata: {},
    status: "pending" as const,
    createdAt: now
  },
  webhook: { id: freshId(WebhookId), source: "github" as const, name: "w", createdAt: now },
  event: {
    id: freshId(EventId),
    source: "github" as const,
    type: "push",
    title: "t",
    summary: "s",
    occurredAt: now,
    receivedAt: now,
    deliveryId: freshId(DeliveryId),
    status: "received" as const
  },
  key: { id: freshId(ApiKeyId), name: "k", role: "agent" as const, createdAt: now },
  hash: crypto.randomUUID(),
  tool: { id: freshId(ToolId), name: "git", kind: "git", config: {}, version: 1, createdAt: now, updatedAt: now },
  task: {
    id: freshId(TaskId),
    kind: "k",
    status: "working" as const,
    createdAt: now,
    updatedAt: now,
    expiresAt: DateTime.add(now, { hours: 1 })
  },
  entry: {
    id: freshId(AuditId),
    actor: "a",
    action: "x",
    outcome: "ok" as const,
    requestId: "r",
    durationMs: 1,
    occurredAt: now
  },
  deliveryId: freshId(DeliveryId),
  chunk: {
    id: freshId(ChunkId),
    kind: "document" as const,
    refId: freshId(DocumentId),
    position: 0,
    text: "secret",
    metadata: {},
    embedding: [1]
  }
})

type Rows = ReturnType<typeof makeRows>

const deliveryOf = (rows: Rows, id: DeliveryId) => ({
  id,
  webhookId: rows.webhook.id,
  source: "github" as const,
  externalId: "e",
  eventType: "push",
  payload: { secret: true },
  receivedAt: now
})

/** The same actor in whichever tenant, so that only the tenant tells tasks apart. */
const ownerIn = (tenantId: TenantId): Principal => ({
  tenantId,
  credential: "jwt",
  actor: "ada",
  name: "Ada",
  role: "viewer",
  scopes: []
})

const fill = Effect.fnUntraced(function* (tenant: TenantId, rows: Rows) {
  const contexts = yield* ContextRepository
  const webhooks = yield* WebhookRepository
  yield* contexts.create(tenant, rows.context)
  yield* contexts.append(tenant, rows.context.id, [rows.item])
  yield* (yield* DocumentRepository).create(tenant, rows.document)
  yield* webhooks.create(tenant, rows.webhook, Redacted.make("hush"))
  yield* webhooks.accept(tenant, deliveryOf(rows, rows.deliveryId))
  yield* (yield* EventRepository).upsert(tenant, rows.event)
  yield* (yield* ApiKeyRepository).create(tenant, rows.key, rows.hash)
  yield* (yield* ToolRepository).create(tenant, rows.tool)
  yield* (yield* TaskRepository).create(ownerIn(tenant), rows.task, { secret: true }, 100)
  yield* (yield* AuditRepository).append([{ tenantId: tenant, entry: rows.entry }])
  yield* (yield* IdempotencyRepository).claim(tenant, "job", now)
  yield* (yield* SearchIndex).put(tenant, "m", [rows.chunk])
})

const page = { limit: 200 }

/** Every method that takes a tenant, called by an intruder with the ids of someone else's rows. */
const attempts = Effect.gen(function* () {
  const contexts = yield* ContextRepository
  const documents = yield* DocumentRepository
  const webhooks = yield* WebhookRepository
  const events = yield* EventRepository
  const keys = yield* ApiKeyRepository
  const tools = yield* ToolRepository
  const tasks = yield* TaskRepository
  const audit = yield* AuditRepository
  const index = yield* SearchIndex
  return {
    // These name a row: it is not found.
    missing: {
      "contexts.get": (t, { context }) => contexts.get(t, context.id),
      "contexts.update": (t, { context }) => contexts.update(t, context.id, { name: "taken" }, now),
      "contexts.update of a version": (t, { context }) => contexts.update(t, context.id, { name: "taken" }, now, 2),
      "contexts.delete": (t, { context }) => contexts.delete(t, context.id),
      "contexts.append": (t, { context, item }) =>
        contexts.append(t, context.id, [{ ...item, id: freshId(ContextItemId) }]),
      "contexts.append of nothing": (t, { context }) => contexts.append(t, context.id, []),
      "contexts.listItems": (t, { context }) => contexts.listItems(t, context.id, page),
      "contexts.listItems of a digest": (t, { context, item }) =>
        contexts.listItems(t, context.id, { ...page, removedBy: item.id }),
      "contexts.allItems": (t, { context }) => contexts.allItems(t, context.id),
      "contexts.replaceWithDigest": (t, { context, item }) =>
        contexts.replaceWithDigest(t, context.id, [item.id], { ...item, id: freshId(ContextItemId), seq: 1 }),
      "documents.get": (t, { document }) => documents.get(t, document.id),
      "documents.setStatus": (t, { document }) => documents.setStatus(t, document.id, "failed"),
      "documents.delete": (t, { document }) => documents.delete(t, document.id),
      "webhooks.get": (t, { webhook }) => webhooks.get(t, webhook.id),
      "webhooks.delete": (t, { webhook }) => webhooks.delete(t, webhook.id),
      "webhooks.getDelivery": (t, { deliveryId }) => webhooks.getDelivery(t, deliveryId),
      "events.get": (t, { event }) => events.get(t, event.id),
      "keys.get": (t, { key }) => keys.get(t, key.id),
      "keys.revoke": (t, { key }) => keys.revoke(t, key.id, now),
      "tools.get": (t, { tool }) => tools.get(t, tool.name),
      "tools.update": (t, { tool }) => tools.update(t, tool.name, { taken: true }, now),
      "tools.update of a version": (t, { tool }) => tools.update(t, tool.name, { taken: true }, now, 1),
      "tools.delete": (t, { tool }) => tools.delete(t, tool.name),
      "tasks.get": (t, { task }) => tasks.get(ownerIn(t), task.id, now),
      "tasks.answer": (t, { task }) => tasks.answer(ownerIn(t), task.id, { taken: true }, now),
      "tasks.cancel": (t, { task }) => tasks.cancel(ownerIn(t), task.id, now)
    },
    // These look for rows: there are none.
    empty: {
      "contexts.list": (t) => Effect.map(contexts.list(t, page), ({ items }) => items),
      "documents.list": (t) => Effect.map(documents.list(t, page), ({ items }) => items),
      "webhooks.list": (t) => Effect.map(webhooks.list(t, page), ({ items }) => items),
      "events.list": (t) => Effect.map(events.list(t, page), ({ items }) => items),
      "keys.list": (t) => Effect.map(keys.list(t, page), ({ items }) => items),
      "tools.list": (t) => Effect.map(tools.list(t, page), ({ items }) => items),
      "tasks.list": (t) => Effect.map(tasks.list(ownerIn(t), page, now), ({ items }) => items),
      "tasks.take": (t, { task }) => Effect.map(tasks.take(t, task.id, now), Option.toArray),
      "tasks.end": (t, { task }) =>
        Effect.map(tasks.end(t, task.id, 0, { status: "completed", result: {} }, now), (ended) => (ended ? [1] : [])),
      "tasks.touch": (t, { task }) => Effect.as(tasks.touch(t, task.id, 0, now), []),
      "tasks.setProgress": (t, { task }) => Effect.as(tasks.setProgress(t, task.id, 0, { progress: 1 }, now), []),
      "audit.list": (t) => audit.list(t, 200),
      "index.nearest": (t) => index.nearest(t, "m", [1], {}, 200),
      "index.nearest of one": (t, { chunk }) => index.nearest(t, "m", [1], { refId: chunk.refId }, 200),
      "index.keyword": (t) => index.keyword(t, "secret", {}, 200),
      "index.remove": (t, { chunk }) => Effect.as(index.remove(t, chunk.kind, chunk.refId), [])
    },
    // These bring a row whose id, or whose parent, is someone else's: the database refuses.
    refused: {
      "contexts.create": (t, { context }) => contexts.create(t, { ...context, name: "taken" }),
      "documents.create": (t, { document }) => documents.create(t, { ...document, title: "taken" }),
      "webhooks.create": (t, { webhook }) => webhooks.create(t, webhook, Redacted.make("taken")),
      "webhooks.accept of a repeat": (t, rows) => webhooks.accept(t, deliveryOf(rows, freshId(DeliveryId))),
      "webhooks.accept": (t, rows) =>
        webhooks.accept(t, { ...deliveryOf(rows, freshId(DeliveryId)), externalId: "other" }),
      "events.upsert": (t, { event }) => events.upsert(t, { ...event, status: "processed" }),
      "keys.create": (t, { key }) => keys.create(t, key, crypto.randomUUID()),
      "tasks.create": (t, { task }) => tasks.create(ownerIn(t), task, {}, 100),
      "tools.create": (t, { tool }) => tools.create(t, { ...tool, name: "taken" }),
      "index.put": (t, { chunk }) => index.put(t, "m", [{ ...chunk, text: "taken" }])
    }
  } satisfies Record<
    "missing" | "empty" | "refused",
    Record<string, (tenant: TenantId, rows: Rows) => Effect.Effect<unknown, { readonly _tag: string }>>
  >
})

/** Everything that the owner's tenant has, as the server itself sees it. */
const snapshot = Effect.fnUntraced(function* (tenant: TenantId) {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1`
  return yield* Effect.forEach(tables, ({ name }) =>
    Effect.map(sql`select t::text as row from ${sql(name)} t where tenant_id = ${tenant} order by 1`, (rows) => ({
      name,
      rows
    }))
  )
})

const Choice = Schema.Struct({
  kind: Schema.Literals(["missing", "empty", "refused"]),
  method: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
})

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("another tenant's ids", (it) => {
  it.effect("lead no method to a row, and change nothing", () =>
    Effect.gen(function* () {
      const { empty, missing, refused } = yield* attempts
      const [owner, intruder] = [yield* freshTenant, yield* freshTenant]
      const rows = makeRows()
      yield* fill(owner, rows)
      const before = yield* snapshot(owner)
      assert.strictEqual(
        before
          .filter((table) => table.rows.length === 0)
          .map(({ name }) => name)
          .join(),
        "mcp_events,mcp_sessions"
      )
      for (const [name, attempt] of Object.entries(missing)) {
        const failure = yield* Effect.flip<unknown, { readonly _tag: string }, never>(attempt(intruder, rows))
        assert.strictEqual(failure._tag, "@devops-mcp/domain/Errors/NotFound", name)
      }
      for (const [name, attempt] of Object.entries(empty)) {
        const found = yield* attempt(intruder, rows)
        assert.deepStrictEqual([...found], [], name)
      }
      for (const [name, attempt] of Object.entries(refused)) {
        const failure = yield* Effect.flip<unknown, { readonly _tag: string }, never>(attempt(intruder, rows))
        assert.strictEqual(failure._tag, "@devops-mcp/core/ports/StoreError", name)
      }
      assert.deepStrictEqual(yield* snapshot(owner), before)
    })
  )

  it.effect.prop(
    "change nothing in whichever order they are used, for an intruder with such rows of its own",
    { choices: Schema.Array(Choice).check(Schema.isMaxLength(12)) },
    ({ choices }) =>
      Effect.gen(function* () {
        const kinds = yield* attempts
        const [owner, intruder] = [yield* freshTenant, yield* freshTenant]
        const rows = makeRows()
        yield* fill(owner, rows)
        yield* fill(intruder, makeRows())
        const before = yield* snapshot(owner)
        for (const { kind, method } of choices) {
          const methods: ReadonlyArray<(tenant: TenantId, rows: Rows) => Effect.Effect<unknown, unknown>> =
            Object.values(kinds[kind])
          const attempt = methods[method % methods.length]
          if (attempt !== undefined) yield* Effect.result(attempt(intruder, rows))
        }
        assert.deepStrictEqual(yield* snapshot(owner), before)
        const keys = yield* ApiKeyRepository
        assert.isTrue(Result.isSuccess(yield* Effect.result(keys.get(owner, rows.key.id))))
      }),
    { arbitrary: { runs: 15 } }
  )

  it.effect("neither a claim nor a tool's name nor a key's hash of one tells the other anything but a taken hash", () =>
    Effect.gen(function* () {
      const [owner, intruder] = [yield* freshTenant, yield* freshTenant]
      const rows = makeRows()
      yield* fill(owner, rows)
      assert.isTrue(yield* (yield* IdempotencyRepository).claim(intruder, "job", now))
      yield* (yield* ToolRepository).create(intruder, { ...rows.tool, id: freshId(ToolId) })
      const key = { ...rows.key, id: freshId(ApiKeyId) }
      assert.isFalse(yield* (yield* ApiKeyRepository).create(intruder, key, rows.hash))
    })
  )
})
