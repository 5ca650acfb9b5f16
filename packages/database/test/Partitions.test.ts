import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { type MonthlyTable, RetentionRepository } from "@devops-mcp/core/ports/RetentionRepository"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { reasonOf } from "@devops-mcp/database/Errors"
import { idAfter, receivedAround } from "@devops-mcp/database/ReceivedAround"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import { DeliveryId, EventId, WebhookId } from "@devops-mcp/domain/Ids"
import { acceptOne, anySealedText, freshId, freshTenant, newEvent } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, describe, it as test, layer } from "@effect/vitest"
import { Arbitrary, DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"

const TestLayer = Layer.merge(RepositoriesLive, Tenancy.layer).pipe(Layer.provideMerge(TestDatabase))

const at = (iso: string) => DateTime.makeUnsafe(iso)

/** An id that was made at a time. */
const idMadeAt = <A>(schema: { readonly make: (input: string) => A }, time: DateTime.Utc): A => {
  const digits = DateTime.toEpochMillis(time).toString(16).padStart(12, "0")
  return schema.make(`${digits.slice(0, 8)}-${digits.slice(8)}-7${crypto.randomUUID().slice(15)}`)
}

const deliveryAt = (webhookId: WebhookId, receivedAt: DateTime.Utc, externalId: string) => ({
  id: idMadeAt(DeliveryId, receivedAt),
  webhookId,
  source: "github" as const,
  externalId,
  eventType: "push",
  payload: {},
  receivedAt
})

const eventAt = (receivedAt: DateTime.Utc) =>
  newEvent({ id: idMadeAt(EventId, receivedAt), occurredAt: receivedAt, receivedAt })

const withWebhook = Effect.gen(function* () {
  const webhooks = yield* WebhookRepository
  const tenant = yield* freshTenant
  const webhook = {
    id: freshId(WebhookId),
    source: "github" as const,
    name: "w",
    createdAt: at("2026-01-01T00:00:00Z")
  }
  yield* webhooks.create(tenant, webhook, anySealedText)
  return { webhooks, tenant, webhookId: webhook.id }
})

const partitionsOf = Effect.fnUntraced(function* (table: MonthlyTable) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    select inhrelid::regclass::text as name from pg_inherits where inhparent = ${table}::regclass order by 1`
  return rows.map(({ name }) => name)
})

const placeOf = Effect.fnUntraced(function* (table: MonthlyTable, id: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    select tableoid::regclass::text as name from ${sql(table)} where id = ${id}`
  return rows.map(({ name }) => name)
})

const Moment = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 253_402_000_000_000 })))

describe("receivedAround", () => {
  test.prop("has the time of every id in it, and ten minutes in all", [Moment], ([millis]) => {
    const time = DateTime.makeUnsafe(millis)
    const around = receivedAround(idMadeAt(DeliveryId, time))
    assert.isDefined(around)
    assert.isTrue(around!.since.getTime() <= millis && millis < around!.until.getTime())
    assert.strictEqual(around!.until.getTime() - around!.since.getTime(), 600_000)
    assert.isTrue(idMadeAt(DeliveryId, time) < idAfter(time))
  })

  test("knows nothing of ids that do not say when they were made", () => {
    for (const id of ["", "x", "00000000-0000-4000-8000-000000000000", "ffffffff-ffff-7000-8000-000000000000"]) {
      assert.isUndefined(receivedAround(id))
    }
  })
})

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("months of deliveries and events", (it) => {
  it.effect.prop(
    "accept one of many identical deliveries, in whichever months they come",
    {
      offsets: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: -40, maximum: 40 }))).check(
        Schema.isBetweenLength(2, 16)
      )
    },
    ({ offsets }) =>
      Effect.gen(function* () {
        const { tenant, webhookId, webhooks } = yield* withWebhook
        const end = at("2026-04-01T00:00:00Z")
        const deliveries = offsets.map((days) => deliveryAt(webhookId, DateTime.add(end, { days }), "same"))
        const answers = yield* Effect.forEach(deliveries, (delivery) => acceptOne(tenant, delivery), {
          concurrency: "unbounded"
        })
        const accepted = answers.filter(({ duplicate }) => !duplicate)
        assert.strictEqual(accepted.length, 1)
        assert.deepStrictEqual([...new Set(answers.map(({ deliveryId }) => deliveryId))], [accepted[0]!.deliveryId])
        const kept = deliveries.find(({ id }) => id === accepted[0]!.deliveryId)
        assert.deepStrictEqual(yield* webhooks.getDelivery(tenant, accepted[0]!.deliveryId), kept)
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql`select 1 from deliveries where webhook_id = ${webhookId}`
        assert.strictEqual(rows.length, 1)
      }),
    { arbitrary: { runs: 20 } }
  )

  it.effect("look for an id in its own month only, in two at the end of one, and in all when a clock was wrong", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { tenant, webhookId, webhooks } = yield* withWebhook
      const events = yield* EventRepository
      const retention = yield* RetentionRepository
      yield* retention.makePartitions("deliveries", at("2033-01-01T00:00:00Z"))
      const scanned = Effect.fnUntraced(function* (id: string) {
        const around = receivedAround(id)!
        const plan = yield* sql<Record<string, string>>`
          explain select * from deliveries
          where id = ${id} and received_at >= ${around.since} and received_at < ${around.until}`
        const names = plan.flatMap((line) => [...JSON.stringify(line).matchAll(/ on (deliveries_\w+)/g)])
        return [...new Set(names.map(([, name]) => name))].toSorted()
      })
      const middle = deliveryAt(webhookId, at("2033-02-10T00:00:00Z"), "a")
      const end = deliveryAt(webhookId, at("2033-02-28T23:59:59Z"), "b")
      const odd = { ...deliveryAt(webhookId, at("2033-03-10T00:00:00Z"), "c"), id: freshId(DeliveryId) }
      assert.deepStrictEqual(yield* scanned(middle.id), ["deliveries_2033_02"])
      assert.deepStrictEqual(yield* scanned(end.id), ["deliveries_2033_02", "deliveries_2033_03"])
      for (const delivery of [middle, end, odd]) {
        yield* acceptOne(tenant, delivery)
        assert.deepStrictEqual(yield* webhooks.getDelivery(tenant, delivery.id), delivery)
      }
      const event = { ...eventAt(at("2033-02-10T00:00:00Z")), id: freshId(EventId) }
      yield* events.upsert(tenant, event)
      assert.deepStrictEqual(yield* events.get(tenant, event.id), event)
    })
  )

  it.effect("are made ahead, and take in what came before them", () =>
    Effect.gen(function* () {
      const { tenant, webhookId, webhooks } = yield* withWebhook
      const events = yield* EventRepository
      const retention = yield* RetentionRepository
      const times = [
        "2031-11-01T00:00:00.000Z",
        "2031-11-30T23:59:59.999Z",
        "2031-12-01T00:00:00.000Z",
        "2020-05-05T00:00:00Z"
      ]
      const deliveries = times.map((time) => deliveryAt(webhookId, at(time), time))
      const happened = times.map((time) => eventAt(at(time)))
      yield* Effect.forEach(deliveries, (delivery) => acceptOne(tenant, delivery))
      yield* Effect.forEach(happened, (event) => events.upsert(tenant, event))
      assert.deepStrictEqual(yield* placeOf("deliveries", deliveries[0]!.id), ["deliveries_default"])
      const twice = (table: MonthlyTable) =>
        Effect.forEach([0, 1], () => retention.makePartitions(table, at("2031-11-15T00:00:00Z")), {
          concurrency: 2,
          discard: true
        })
      yield* twice("deliveries")
      yield* twice("events")
      for (const table of ["deliveries", "events"] as const) {
        const months = ["2020_05", "2031_11", "2031_12", "2032_01", "2032_02"].map((month) => `${table}_${month}`)
        assert.includeMembers(yield* partitionsOf(table), months)
      }
      for (const [index, time] of times.entries()) {
        const month = time.slice(0, 7).replace("-", "_")
        assert.deepStrictEqual(yield* placeOf("deliveries", deliveries[index]!.id), [`deliveries_${month}`])
        assert.deepStrictEqual(yield* placeOf("events", happened[index]!.id), [`events_${month}`])
        assert.deepStrictEqual(yield* webhooks.getDelivery(tenant, deliveries[index]!.id), deliveries[index])
        assert.deepStrictEqual(yield* events.get(tenant, happened[index]!.id), happened[index])
      }
      const sql = yield* SqlClient.SqlClient
      const [size] = yield* sql<{ readonly bytes: number }>`
        select (pg_relation_size('events_default') + pg_relation_size('deliveries_default'))::int as bytes`
      assert.strictEqual(size?.bytes, 0)
      const open = yield* sql`
        select relname from pg_class where relispartition and relname ~ '^(events|deliveries)' and relkind = 'r'
          and not (relrowsecurity and relforcerowsecurity)`
      assert.deepStrictEqual(open, [])
    })
  )

  it.effect("are dropped when they are old, those that are not are not, whoever asks", () =>
    Effect.gen(function* () {
      const { tenant, webhookId, webhooks } = yield* withWebhook
      const events = yield* EventRepository
      const retention = yield* RetentionRepository
      const tenancy = yield* Tenancy
      const sql = yield* SqlClient.SqlClient
      const [old, kept] = ["2021-03-31T23:59:59.999Z", "2021-04-01T00:00:00.000Z"].map(at)
      const deliveries = [old!, kept!].map((time) => deliveryAt(webhookId, time, DateTime.formatIso(time)))
      const happened = [old!, kept!].map(eventAt)
      yield* Effect.forEach(deliveries, (delivery) => acceptOne(tenant, delivery))
      yield* Effect.forEach(happened, (event) => events.upsert(tenant, event))
      yield* retention.makePartitions("deliveries", at("2021-03-01T00:00:00Z"))
      yield* retention.makePartitions("events", at("2021-03-01T00:00:00Z"))

      const missing = "@devops-mcp/domain/Errors/NotFound"
      assert.notInclude(yield* retention.dropPartitions("deliveries", at("2021-03-31T23:59:59Z")), "deliveries_2021_03")
      const dropped = yield* retention.dropPartitions("deliveries", at("2021-04-30T00:00:00Z"))
      assert.strictEqual(dropped.at(-1), "deliveries_2021_03")
      assert.strictEqual((yield* Effect.flip(webhooks.getDelivery(tenant, deliveries[0]!.id)))._tag, missing)
      yield* webhooks.getDelivery(tenant, deliveries[1]!.id)
      yield* events.get(tenant, happened[0]!.id)
      yield* retention.dropPartitions("events", at("2021-04-01T00:00:00Z"))
      assert.strictEqual((yield* Effect.flip(events.get(tenant, happened[0]!.id)))._tag, missing)
      yield* events.get(tenant, happened[1]!.id)

      const now = yield* DateTime.now
      const young = yield* Effect.flip(retention.dropPartitions("events", DateTime.add(now, { months: 1 })))
      assert.include(reasonOf(young), "too young to be dropped")
      const other = yield* Effect.flip(
        tenancy.system("test", sql`select drop_partition('audit_log', '2020-01-01'::date)::text`)
      )
      assert.include(reasonOf(other), "audit_log has no months")
      for (const call of [
        "make_partition('events', now()::date)",
        "drop_partition('events', '2020-01-01')",
        "settle_default_partition('events')"
      ]) {
        const { cause } = yield* Effect.flip(tenancy.run(tenant, "test", sql`select ${sql.literal(call)}::text`))
        assert.isTrue(SqlError.isSqlError(cause) && cause.reason._tag === "AuthorizationError", call)
      }
    })
  )
})
