import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import type { Event } from "@devops-mcp/domain/Event"
import { DeliveryId, DocumentId, type EventId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import {
  acceptOne,
  anySealedText,
  eventTime,
  freshId,
  freshTenant,
  newEvent,
  outboxJobs
} from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = RepositoriesLive.pipe(Layer.provideMerge(TestDatabase))

const at = (iso: string) => DateTime.makeUnsafe(iso)
const now = eventTime

const newWebhook = () => ({ id: freshId(WebhookId), source: "github" as const, name: "hook", createdAt: now })

const newDelivery = (
  webhookId: WebhookId,
  fields: { readonly externalId?: string; readonly payload?: Schema.Json } = {}
) => ({
  id: freshId(DeliveryId),
  webhookId,
  source: "github" as const,
  externalId: "first",
  eventType: "push",
  payload: { zen: "Keep it logically awesome." },
  receivedAt: now,
  ...fields
})

const withWebhook = Effect.gen(function* () {
  const webhooks = yield* WebhookRepository
  const tenant = yield* freshTenant
  const webhook = yield* webhooks.create(tenant, newWebhook(), anySealedText)
  return { webhooks, tenant, webhook }
})

const partitionOf = (event: Event) =>
  Effect.map(
    SqlClient.SqlClient.use(
      (sql) =>
        sql<{ readonly name: string }>`select tableoid::regclass::text as name from events where id = ${event.id}`
    ),
    (rows) => rows.map(({ name }) => name)
  )

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("ingestion", (it) => {
  it.effect("finds a webhook of any tenant by its id, with its secret", () =>
    Effect.gen(function* () {
      const { tenant, webhook, webhooks } = yield* withWebhook
      const target = yield* webhooks.target(webhook.id)
      assert.strictEqual(target.tenantId, tenant)
      assert.deepStrictEqual(target.webhook, webhook)
      assert.deepStrictEqual(target.secret, { _tag: "Sealed", sealed: anySealedText })
      const { items } = yield* webhooks.list(tenant, { limit: 10 })
      assert.deepStrictEqual(items, [webhook])
      const missing = yield* Effect.flip(webhooks.target(freshId(WebhookId)))
      assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
    })
  )

  it.effect("accepts exactly one of many identical deliveries, and names it to all of them", () =>
    Effect.gen(function* () {
      const { tenant, webhook, webhooks } = yield* withWebhook
      const answers = yield* Effect.forEach(
        Array.from({ length: 24 }),
        () => acceptOne(tenant, newDelivery(webhook.id)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(answers.filter((answer) => !answer.duplicate).length, 1)
      assert.strictEqual(new Set(answers.map((answer) => answer.deliveryId)).size, 1)
      const late = yield* acceptOne(tenant, newDelivery(webhook.id))
      assert.deepStrictEqual(late, { deliveryId: answers[0]?.deliveryId ?? late.deliveryId, duplicate: true })
      const other = yield* acceptOne(tenant, newDelivery(webhook.id, { externalId: "second" }))
      assert.isFalse(other.duplicate)
      const elsewhere = yield* webhooks.create(tenant, newWebhook(), anySealedText)
      assert.isFalse((yield* acceptOne(tenant, newDelivery(elsewhere.id))).duplicate)
    })
  )

  it.effect("accepts several at once, and tells the repeats among them and of what was there, in their order", () =>
    Effect.gen(function* () {
      const { tenant, webhook, webhooks } = yield* withWebhook
      const other = yield* webhooks.create(tenant, newWebhook(), anySealedText)
      const there = yield* acceptOne(tenant, newDelivery(webhook.id, { externalId: "there" }))
      const given = [
        newDelivery(webhook.id, { externalId: "z", payload: { n: 1 } }),
        newDelivery(webhook.id, { externalId: "there" }),
        newDelivery(webhook.id, { externalId: "a", payload: null }),
        newDelivery(webhook.id, { externalId: "z", payload: { n: 2 } }),
        newDelivery(other.id, { externalId: "z", payload: ["\0"] })
      ]
      const answers = yield* webhooks.accept(tenant, given, outboxJobs(tenant, given))
      assert.deepStrictEqual(answers, [
        { deliveryId: given[0]!.id, duplicate: false },
        { deliveryId: there.deliveryId, duplicate: true },
        { deliveryId: given[2]!.id, duplicate: false },
        { deliveryId: given[0]!.id, duplicate: true },
        { deliveryId: given[4]!.id, duplicate: false }
      ])
      const stored = yield* Effect.forEach([0, 2, 4], (at) => webhooks.getDelivery(tenant, given[at]!.id))
      assert.deepStrictEqual(stored, [given[0]!, given[2]!, { ...given[4]!, payload: ["\uFFFD"] }])
      assert.deepStrictEqual(yield* webhooks.accept(tenant, [], outboxJobs(tenant, [])), [])
    })
  )

  it.effect("accepts none of several when one cannot be", () =>
    Effect.gen(function* () {
      const { tenant, webhook, webhooks } = yield* withWebhook
      const given = [newDelivery(webhook.id, { externalId: "good" }), newDelivery(freshId(WebhookId))]
      assert.isFalse((yield* Effect.flip(webhooks.accept(tenant, given, outboxJobs(tenant, given)))).retryable)
      const again = yield* acceptOne(tenant, given[0]!)
      assert.isFalse(again.duplicate)
    })
  )

  it.effect.prop(
    "keeps any JSON payload, but for NUL and half surrogates",
    {
      payload: Schema.Union([Schema.Json, Schema.String, Schema.Null, Schema.Finite, Schema.Array(Schema.Json)])
    },
    ({ payload }) =>
      Effect.gen(function* () {
        const { tenant, webhook, webhooks } = yield* withWebhook
        const { deliveryId } = yield* acceptOne(tenant, newDelivery(webhook.id, { payload }))
        const stored = yield* webhooks.getDelivery(tenant, deliveryId)
        const expected = JSON.stringify(payload).replaceAll(/\\u0000|\\ud[89a-f]../g, "\uFFFD")
        assert.deepStrictEqual(stored.payload, JSON.parse(expected))
      }),
    { arbitrary: { runs: 25 } }
  )

  it.effect.each([null, true, 0, "", "text", [], [null], {}, { "\0": "a\0b" }, ["\uD800", "\uDFFF\uD800", "😀"]])(
    "keeps the payload %j",
    (payload) =>
      Effect.gen(function* () {
        const { tenant, webhook, webhooks } = yield* withWebhook
        const delivery = newDelivery(webhook.id, { payload })
        yield* acceptOne(tenant, delivery)
        const expected = JSON.parse(JSON.stringify(payload).replaceAll(/\\u0000|\\ud[89a-f]../g, "\uFFFD"))
        assert.deepStrictEqual(yield* webhooks.getDelivery(tenant, delivery.id), { ...delivery, payload: expected })
      })
  )

  it.effect("recognises a repeat whose id cannot be stored as it is", () =>
    Effect.gen(function* () {
      const { tenant, webhook } = yield* withWebhook
      const first = yield* acceptOne(tenant, newDelivery(webhook.id, { externalId: "a\0\uD800" }))
      const second = yield* acceptOne(tenant, newDelivery(webhook.id, { externalId: "a\0\uD800" }))
      assert.deepStrictEqual(second, { deliveryId: first.deliveryId, duplicate: true })
    })
  )

  it.effect("forgets a webhook's deliveries with it, and refuses new ones", () =>
    Effect.gen(function* () {
      const { tenant, webhook, webhooks } = yield* withWebhook
      const delivery = newDelivery(webhook.id)
      yield* acceptOne(tenant, delivery)
      yield* webhooks.delete(tenant, webhook.id)
      const gone = yield* Effect.flip(webhooks.getDelivery(tenant, delivery.id))
      assert.strictEqual(gone._tag, "@devops-mcp/domain/Errors/NotFound")
      assert.strictEqual((yield* Effect.flip(webhooks.target(webhook.id)))._tag, "@devops-mcp/domain/Errors/NotFound")
      assert.strictEqual(
        (yield* Effect.flip(webhooks.delete(tenant, webhook.id)))._tag,
        "@devops-mcp/domain/Errors/NotFound"
      )
      const refused = yield* Effect.flip(acceptOne(tenant, newDelivery(webhook.id)))
      assert.isFalse(refused.retryable)
    })
  )

  it.effect("writes an event once, and never takes back that it is processed", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const tenant = yield* freshTenant
      const event = newEvent({ action: "opened", repository: "ada/engine", actor: "ada", url: "https://example.org" })
      assert.deepStrictEqual(yield* events.upsert(tenant, event), event)
      for (const status of ["failed", "received", "processed", "failed", "received"] as const) {
        const stored = yield* events.upsert(tenant, { ...event, title: "another title", status })
        assert.strictEqual(stored.title, event.title)
      }
      const processed: Event = { ...event, status: "processed" }
      assert.deepStrictEqual(yield* events.get(tenant, event.id), processed)
      assert.deepStrictEqual((yield* events.list(tenant, { limit: 10 })).items, [processed])
    })
  )

  it.effect("many writers of one event leave one row, processed when any of them says so", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const tenant = yield* freshTenant
      const event = newEvent()
      yield* Effect.forEach(
        Array.from({ length: 24 }, (_, index) => (index === 7 ? ("processed" as const) : ("failed" as const))),
        (status) => events.upsert(tenant, { ...event, status }),
        { concurrency: "unbounded" }
      )
      const { items } = yield* events.list(tenant, { limit: 10 })
      assert.deepStrictEqual(
        items.map(({ id, status }) => ({ id, status })),
        [{ id: event.id, status: "processed" }]
      )
    })
  )

  it.effect("filters by what happened, where and when: `since` is included, `until` is not", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const tenant = yield* freshTenant
      const times = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.002Z"].map(at)
      const [first, second, third] = yield* Effect.forEach(times, (occurredAt, index) =>
        events.upsert(
          tenant,
          newEvent({ occurredAt, title: String(index), type: `type${index}`, repository: `a/${index}` })
        )
      )
      assert.isDefined(third)
      const titles = (filter: Omit<Parameters<typeof events.list>[1], "limit">) =>
        Effect.map(events.list(tenant, { ...filter, limit: 10 }), ({ items }) => items.map(({ title }) => title))
      assert.deepStrictEqual(yield* titles({}), ["2", "1", "0"])
      assert.deepStrictEqual(yield* titles({ source: "github", type: "type1" }), ["1"])
      assert.deepStrictEqual(yield* titles({ repository: "a/2" }), ["2"])
      assert.deepStrictEqual(yield* titles({ repository: "a/2", type: "type1" }), [])
      for (const odd of ["a/2\0", "\uD800", "%", "' or true --"]) {
        assert.deepStrictEqual(yield* titles({ repository: odd }), [])
        assert.deepStrictEqual(yield* titles({ type: odd }), [])
      }
      if (first === undefined || second === undefined) return assert.fail()
      assert.deepStrictEqual(yield* titles({ since: second.occurredAt }), ["2", "1"])
      assert.deepStrictEqual(yield* titles({ until: second.occurredAt }), ["0"])
      assert.deepStrictEqual(yield* titles({ since: first.occurredAt, until: second.occurredAt }), ["0"])
      assert.deepStrictEqual(yield* titles({ since: second.occurredAt, until: second.occurredAt }), [])
    })
  )

  it.effect("pages through events newest first, across partitions", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const tenant = yield* freshTenant
      const made = yield* Effect.forEach(
        Array.from({ length: 7 }, (_, index) => index),
        (index) => events.upsert(tenant, newEvent({ receivedAt: DateTime.add(now, { months: index * 5 }) }))
      )
      const seen: Array<EventId> = []
      let cursor: string | null | undefined
      do {
        const page = yield* events.list(tenant, { limit: 3, ...(cursor ? { cursor } : {}) })
        seen.push(...page.items.map(({ id }) => id))
        cursor = page.nextCursor
      } while (cursor !== null)
      assert.deepStrictEqual(seen, made.map(({ id }) => id).toReversed())
    })
  )

  it.effect("keeps each event in its month, and what no month is made for in the default partition", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const tenant = yield* freshTenant
      const sql = yield* SqlClient.SqlClient
      // The schema may be a copy of one that was made in an earlier month.
      const partitions = yield* sql<{ readonly name: string }>`
        select inhrelid::regclass::text as name from pg_inherits
        where inhparent = 'events'::regclass and inhrelid <> 'events_default'::regclass order by name`
      assert.strictEqual(partitions.length, 6)
      const first = at(`${(partitions[0]?.name ?? "").slice(7).replace("_", "-")}-01T00:00:00Z`)
      const nameOf = (moment: DateTime.Utc) => `events_${DateTime.formatIso(moment).slice(0, 7).replace("-", "_")}`
      const last = DateTime.add(first, { months: 5 })
      const end = DateTime.add(last, { months: 1 })
      for (const [receivedAt, partition] of [
        [first, nameOf(first)],
        [DateTime.subtract(first, { milliseconds: 1 }), "events_default"],
        [last, nameOf(last)],
        [DateTime.subtract(end, { milliseconds: 1 }), nameOf(last)],
        [end, "events_default"],
        [at("2200-01-01T00:00:00Z"), "events_default"]
      ] as const) {
        const event = newEvent({ receivedAt })
        yield* events.upsert(tenant, event)
        assert.deepStrictEqual(yield* partitionOf(event), [partition])
        assert.deepStrictEqual(yield* events.get(tenant, event.id), event)
      }
    })
  )

  it.effect("keeps documents with their status", () =>
    Effect.gen(function* () {
      const documents = yield* DocumentRepository
      const tenant = yield* freshTenant
      const document = {
        id: freshId(DocumentId),
        title: "Runbook",
        text: "x".repeat(1_048_576),
        uri: "https://example.org",
        metadata: { team: ["core"] },
        status: "pending" as const,
        createdAt: now
      }
      yield* documents.create(tenant, document)
      assert.deepStrictEqual(yield* documents.get(tenant, document.id), document)
      yield* documents.setStatus(tenant, document.id, "ready")
      assert.deepStrictEqual((yield* documents.list(tenant, { limit: 1 })).items, [{ ...document, status: "ready" }])
      yield* documents.delete(tenant, document.id)
      const missing = yield* Effect.flip(documents.setStatus(tenant, document.id, "failed"))
      assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
      const unowned = yield* Effect.flip(documents.create(freshId(TenantId), document))
      assert.isFalse(unowned.retryable)
    })
  )
})
