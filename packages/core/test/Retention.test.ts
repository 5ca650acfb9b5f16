import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { IdempotencyRepository } from "@devops-mcp/core/ports/IdempotencyRepository"
import { ObjectStore, ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { RetentionRepository } from "@devops-mcp/core/ports/RetentionRepository"
import { SearchIndex } from "@devops-mcp/core/ports/SearchIndex"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { Change, Changes } from "@devops-mcp/core/changes/Changes"
import { Retention } from "@devops-mcp/core/retention/Retention"
import { payloadKeyOf } from "@devops-mcp/core/webhooks/Payloads"
import {
  ApiKeyId,
  ChunkId,
  ContextId,
  ContextItemId,
  DeliveryId,
  EventId,
  TenantId,
  WebhookId
} from "@devops-mcp/domain/Ids"
import { acceptOne, anySealedText, freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it as test, layer } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Option, References } from "effect"
import { SqlClient } from "effect/sql"
import { Objects, UseCases } from "./Fakes.ts"

const kept = { events: Duration.days(365), deliveries: Duration.days(30) }

/** An id that was made at a time. */
const idMadeAt = <A>(schema: { readonly make: (input: string) => A }, time: DateTime.Utc): A => {
  const digits = DateTime.toEpochMillis(time).toString(16).padStart(12, "0")
  return schema.make(`${digits.slice(0, 8)}-${digits.slice(8)}-7${crypto.randomUUID().slice(15)}`)
}

const withWebhook = Effect.gen(function* () {
  const tenantId = yield* freshTenant
  const webhook = { id: freshId(WebhookId), source: "github" as const, name: "w", createdAt: yield* DateTime.now }
  yield* (yield* WebhookRepository).create(tenantId, webhook, anySealedText)
  return { tenantId, webhookId: webhook.id }
})

/** What a large delivery has left behind that was ingested at a time. */
const ingestedAt = Effect.fnUntraced(function* (tenantId: TenantId, webhookId: WebhookId, time: DateTime.Utc) {
  const webhooks = yield* WebhookRepository
  const id = idMadeAt(DeliveryId, time)
  const payloadKey = payloadKeyOf(tenantId, id)
  yield* webhooks.noteObject(tenantId, id, time)
  yield* (yield* ObjectStore).put(payloadKey, new Uint8Array(1))
  const delivery = {
    id,
    webhookId,
    source: "github" as const,
    externalId: DateTime.formatIso(time),
    eventType: "push",
    payload: null,
    payloadKey,
    receivedAt: time
  }
  yield* acceptOne(tenantId, delivery)
  const event = {
    id: EventId.make(id),
    source: "github" as const,
    type: "push",
    title: "t",
    summary: "s",
    occurredAt: time,
    receivedAt: time,
    deliveryId: id,
    status: "processed" as const
  }
  yield* (yield* EventRepository).upsert(tenantId, event)
  const passage = { id: freshId(ChunkId), kind: "event" as const, refId: id, position: 0, text: "zebra", metadata: {} }
  yield* (yield* SearchIndex).put(tenantId, "fake", [{ ...passage, embedding: [1] }])
  yield* (yield* IdempotencyRepository).claim(tenantId, `delivery:${id}`, time)
  return { id, payloadKey, delivery }
})

const isThere = <A, E>(effect: Effect.Effect<A, E>) => Effect.map(Effect.option(effect), Option.isSome)

/** What is left of it. */
const leftOf = Effect.fnUntraced(function* (tenantId: TenantId, id: DeliveryId) {
  const sql = yield* SqlClient.SqlClient
  const passages = yield* (yield* SearchIndex).keyword(tenantId, "zebra", { refId: id }, 10)
  return {
    event: yield* isThere((yield* EventRepository).get(tenantId, EventId.make(id))),
    passage: passages.length > 0,
    delivery: yield* isThere((yield* WebhookRepository).getDelivery(tenantId, id)),
    object: (yield* Objects).has(payloadKeyOf(tenantId, id)),
    key: (yield* sql`select 1 from delivery_keys where delivery_id = ${id}`).length > 0,
    job: (yield* sql`select 1 from idempotency where key = ${`delivery:${id}`}`).length > 0
  }
})

const all = { event: true, passage: true, delivery: true, object: true, key: true, job: true }
const none = { event: false, passage: false, delivery: false, object: false, key: false, job: false }

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("Retention.upkeep", (it) => {
  it.effect("removes what is older than it is kept, of events and of deliveries, and nothing that is not", () =>
    Effect.gen(function* () {
      const retention = yield* Retention
      const { tenantId, webhookId } = yield* withWebhook
      const now = yield* DateTime.now
      const old = yield* ingestedAt(tenantId, webhookId, DateTime.subtract(now, { days: 400 }))
      const older = yield* ingestedAt(tenantId, webhookId, DateTime.subtract(now, { days: 800 }))
      const middle = yield* ingestedAt(tenantId, webhookId, DateTime.subtract(now, { days: 90 }))
      const young = yield* ingestedAt(tenantId, webhookId, DateTime.subtract(now, { days: 2 }))
      const both = yield* Effect.all([retention.upkeep(kept), retention.upkeep(kept)], { concurrency: 2 })
      const dropped = both.flatMap(({ partitions }) => partitions)
      assert.strictEqual(new Set(dropped).size, dropped.length)
      yield* retention.upkeep(kept)
      assert.deepStrictEqual(yield* leftOf(tenantId, older.id), none)
      assert.deepStrictEqual(yield* leftOf(tenantId, old.id), none)
      assert.deepStrictEqual(yield* leftOf(tenantId, middle.id), { ...none, event: true, passage: true })
      assert.deepStrictEqual(yield* leftOf(tenantId, young.id), all)

      // A repeat of what is forgotten is taken for new, one of what is kept is not.
      const again = (delivery: typeof young.delivery) =>
        acceptOne(tenantId, { ...delivery, id: freshId(DeliveryId), receivedAt: now })
      assert.isFalse((yield* again(middle.delivery)).duplicate)
      assert.deepStrictEqual(yield* again(young.delivery), { deliveryId: young.id, duplicate: true })
      assert.deepStrictEqual((yield* retention.upkeep(kept)).partitions, [])
    })
  )

  it.effect("removes more passages than one batch has, and those without an event", () =>
    Effect.gen(function* () {
      const retention = yield* Retention
      const sql = yield* SqlClient.SqlClient
      const { tenantId } = yield* withWebhook
      const old = DateTime.subtract(yield* DateTime.now, { days: 500 })
      const millis = DateTime.toEpochMillis(old)
      yield* sql`
        insert into chunks (id, tenant_id, kind, ref_id, position, text, metadata)
        select gen_random_uuid(), ${tenantId}, kind, id::uuid, 0, 'quagga', '{}' from (
          select kind, regexp_replace(lpad(to_hex(${millis}::bigint + n), 12, '0'), '^(.{8})', '\\1-') || '-7000-8000-000000000000' as id
          from generate_series(1, 2500) n, (values ('event'), ('document')) as kinds (kind)
        ) as made`
      const { rows } = yield* retention.upkeep(kept)
      assert.isAtLeast(rows.eventPassages, 2500)
      const left = yield* sql<{ readonly kind: string; readonly n: number }>`
        select kind, count(*)::int as n from chunks where tenant_id = ${tenantId} group by kind`
      assert.deepStrictEqual([...left], [{ kind: "document", n: 2500 }])
    })
  )

  it.effect("removes the objects of deleted webhooks and of deliveries that never were, not of those about to be", () =>
    Effect.gen(function* () {
      const retention = yield* Retention
      const webhooks = yield* WebhookRepository
      const objects = yield* ObjectStore
      const { tenantId, webhookId } = yield* withWebhook
      const now = yield* DateTime.now
      const { id } = yield* ingestedAt(tenantId, webhookId, DateTime.subtract(now, { hours: 2 }))
      const [never, soon] = [freshId(DeliveryId), freshId(DeliveryId)]
      yield* webhooks.noteObject(tenantId, never, DateTime.subtract(now, { hours: 2 }))
      yield* webhooks.noteObject(tenantId, soon, now)
      yield* Effect.forEach([never, soon], (one) => objects.put(payloadKeyOf(tenantId, one), new Uint8Array(1)))
      yield* retention.upkeep(kept)
      const keys = yield* Objects
      const has = () => [id, never, soon].map((one) => keys.has(payloadKeyOf(tenantId, one)))
      assert.deepStrictEqual(has(), [true, false, true])
      yield* webhooks.delete(tenantId, webhookId)
      assert.strictEqual((yield* retention.upkeep(kept)).objects, 1)
      assert.deepStrictEqual(has(), [false, false, true])
    })
  )

  it.effect("removes contexts whose time is over with what is found of them, and tells who listens", () =>
    Effect.gen(function* () {
      const retention = yield* Retention
      const contexts = yield* ContextRepository
      const index = yield* SearchIndex
      const now = yield* DateTime.now
      const tenantId = yield* freshTenant
      const make = Effect.fnUntraced(function* (expiresAt?: DateTime.Utc) {
        const id = freshId(ContextId)
        const context = { id, name: "c", maxTokens: 9, metadata: {}, createdAt: now }
        yield* contexts.create(tenantId, expiresAt === undefined ? context : { ...context, expiresAt })
        const item = {
          id: freshId(ContextItemId),
          role: "user" as const,
          content: "okapi",
          tokens: 1,
          pinned: false,
          metadata: {},
          createdAt: now
        }
        yield* contexts.append(tenantId, id, [item])
        const passage = {
          id: freshId(ChunkId),
          kind: "context" as const,
          refId: id,
          position: 0,
          text: "okapi",
          metadata: {}
        }
        yield* index.put(tenantId, "fake", [{ ...passage, embedding: [1] }])
        return id
      })
      const over = yield* Effect.replicateEffect(make(DateTime.subtract(now, { minutes: 1 })), 60)
      const open = [yield* make(), yield* make(DateTime.add(now, { minutes: 10 }))]
      const heard: Array<Change> = []
      yield* (yield* Changes).listen((change) => void heard.push(change))
      assert.strictEqual((yield* retention.upkeep(kept)).contexts, 60)
      const { items } = yield* contexts.list(tenantId, { limit: 200 })
      assert.sameMembers(
        items.map(({ id }) => id),
        open
      )
      const found = yield* index.keyword(tenantId, "okapi", {}, 200)
      assert.sameMembers(
        found.map(({ refId }) => refId),
        open
      )
      assert.isTrue(over.every((id) => !found.some(({ refId }) => refId === id)))
      assert.deepInclude(heard, Change.cases.ResourcesChanged.make({ tenantId }))
    }).pipe(Effect.scoped)
  )

  it.effect("forgets API keys a month after their expiry, and no others", () =>
    Effect.gen(function* () {
      const retention = yield* Retention
      const keys = yield* ApiKeyRepository
      const now = yield* DateTime.now
      const tenantId = yield* freshTenant
      const make = (days: number | undefined) => {
        const key = { id: freshId(ApiKeyId), name: "k", role: "agent" as const, createdAt: now }
        const expiring = days === undefined ? key : { ...key, expiresAt: DateTime.subtract(now, { days }) }
        const proof = { lookupId: crypto.randomUUID(), scheme: "sha256" as const, hash: crypto.randomUUID() }
        return Effect.as(keys.create(tenantId, expiring, proof), key.id)
      }
      const [, expired, open] = [yield* make(31), yield* make(29), yield* make(undefined)]
      yield* retention.upkeep(kept)
      const { items } = yield* keys.list(tenantId, { limit: 10 })
      assert.sameMembers(
        items.map(({ id }) => id),
        [expired, open]
      )
    })
  )
})

describe("Retention.upkeep, when something is out of order", () => {
  const down = new StoreError({ operation: "x", retryable: true, cause: "down" })

  /** Objects that are all old, of which some cannot be deleted. */
  const run = Effect.fnUntraced(function* (canDelete: (key: string) => boolean, isStoreDown = false) {
    const tenantId = freshId(TenantId)
    const strays = new Set(Array.from({ length: 5 }, () => freshId(DeliveryId)))
    const done: Array<string> = []
    const answer = <A>(name: string, value: A) =>
      isStoreDown ? Effect.fail(down) : Effect.sync(() => (done.push(name), value))
    const repository = Layer.succeed(RetentionRepository, {
      makePartitions: (table) => answer(`make ${table}`, undefined),
      dropPartitions: (table) => answer(`drop ${table}`, []),
      remove: (kind) => (kind === "eventPassages" ? Effect.fail(down) : answer(kind, 0)),
      removeContexts: () => answer("contexts", []),
      strayObjects: () => Effect.sync(() => [...strays].map((deliveryId) => ({ tenantId, deliveryId }))),
      forgetObjects: (ids) => Effect.sync(() => ids.forEach((id) => strays.delete(id)))
    })
    const store = Layer.mock(ObjectStore, {
      delete: (key) =>
        canDelete(key)
          ? Effect.void
          : Effect.fail(new ObjectStoreError({ operation: "delete", retryable: true, cause: "no" }))
    })
    const removed = yield* Effect.flatMap(Retention, (retention) => retention.upkeep(kept)).pipe(
      Effect.provide(
        Retention.layer.pipe(
          Layer.provide([repository, store, Layer.mock(Changes, {}), Layer.succeed(References.MinimumLogLevel, "None")])
        )
      ),
      Effect.provideService(References.MinimumLogLevel, "None")
    )
    return { removed, done, left: strays.size }
  })

  test.effect("goes on with the other parts", () =>
    Effect.gen(function* () {
      const { done, left } = yield* run(() => true)
      assert.strictEqual(left, 0)
      assert.includeMembers(done, ["drop events", "drop deliveries", "deliveryKeys", "contexts", "apiKeys"])
      const { removed } = yield* run(() => true, true)
      assert.deepStrictEqual(removed.partitions, [])
    })
  )

  test.effect("forgets no object that it could not delete, and does not try for ever", () =>
    Effect.gen(function* () {
      let tries = 0
      const { left } = yield* run(() => tries++ % 2 === 0)
      assert.strictEqual(left, 2)
      assert.strictEqual(tries, 5)
    })
  )
})
