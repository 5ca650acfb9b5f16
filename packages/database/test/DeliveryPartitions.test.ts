import * as Migrations from "@devops-mcp/database/Migrations"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { DeliveryId, EventId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import { acceptOne, anySealedText, freshId } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"

const at = (iso: string) => DateTime.makeUnsafe(iso)

/** Around two ends of a month, in two years. */
const times = [
  "2024-12-31T23:59:59.999Z",
  "2025-01-01T00:00:00.000Z",
  "2026-02-28T23:30:00.000Z",
  "2026-03-01T00:30:00.000Z"
]

/** The schema as it was before, with a webhook that has received. */
const before = Effect.fnUntraced(function* (timeZone: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`drop schema public cascade`
  yield* sql`create schema public`
  yield* sql`grant usage on schema public to public`
  const ids = { tenant: freshId(TenantId), webhook: freshId(WebhookId) }
  const first = Effect.map(Migrations.migrations, (known) => known.slice(0, 13))
  yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`select set_config('timezone', ${timeZone}, true)`
      yield* Migrations.run(first)
    })
  )
  yield* sql`insert into tenants (id, name, created_at) values (${ids.tenant}, 't', now())`
  yield* sql`
    insert into webhooks (id, tenant_id, source, name, sealed_secret, created_at)
    values (${ids.webhook}, ${ids.tenant}, 'github', 'w', ${anySealedText}, now())`
  const rows = times.map((time) => ({ id: freshId(DeliveryId), time }))
  const [now] = yield* sql<{ readonly now: Date }>`select now() as now`
  rows.push({ id: freshId(DeliveryId), time: now?.now.toISOString() ?? "" })
  // Of the last hours of a month by UTC, which other zones count to another.
  const [end] = yield* sql<{ readonly end: Date }>`
    select (date_trunc('month', now() at time zone 'utc') + interval '1 month' - interval '1 hour') at time zone 'utc' as end`
  rows.push({ id: freshId(DeliveryId), time: end?.end.toISOString() ?? "" })
  for (const { id, time } of rows) {
    yield* sql`
      insert into deliveries (id, tenant_id, webhook_id, source, external_id, event_type, payload, received_at)
      values (${id}, ${ids.tenant}, ${ids.webhook}, 'github', ${`external ${time}`}, 'push', 'null', ${time}::timestamptz)`
    yield* sql`
      insert into events (id, tenant_id, source, type, title, summary, occurred_at, received_at, delivery_id, status)
      values (${id}, ${ids.tenant}, 'github', 'push', 't', 's', now(), ${time}::timestamptz, ${id}, 'processed')`
  }
  return { ...ids, rows }
})

const partitionOf = Effect.fnUntraced(function* (table: string, id: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    select tableoid::regclass::text as name from ${sql(table)} where id = ${id}`
  return rows.map(({ name }) => name)
})

/** Every partition's bounds, as they are in UTC. */
const strayBounds = SqlClient.SqlClient.use((sql) =>
  sql.withTransaction(
    Effect.andThen(
      sql`select set_config('timezone', 'UTC', true)`,
      sql`
        select relname, pg_get_expr(relpartbound, oid) as bounds from pg_class
        where relname ~ '^(events|deliveries)_[0-9]{4}' and relispartition
          and pg_get_expr(relpartbound, oid) !~ '-01 00:00:00[+]00.*-01 00:00:00[+]00'`
    )
  )
)

layer(TestDatabase, { excludeTestServices: true, timeout: "60 seconds" })("deliveries from before the months", (it) => {
  it.effect.each(["UTC", "America/New_York", "Asia/Tokyo"])("are kept in theirs, on a server in %s", (timeZone) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { rows, tenant, webhook } = yield* before(timeZone)
      yield* Migrations.migrate
      assert.deepStrictEqual(yield* strayBounds, [])
      for (const { id, time } of rows) {
        const month = time.slice(0, 7).replace("-", "_")
        assert.deepStrictEqual(yield* partitionOf("deliveries", id), [`deliveries_${month}`])
        assert.deepStrictEqual(yield* partitionOf("events", id), [`events_${month}`])
      }
      const [left] = yield* sql<{ readonly n: number }>`
        select (select count(*) from only events_default) + (select count(*) from only deliveries_default) as n`
      assert.strictEqual(Number(left?.n), 0)

      yield* Effect.gen(function* () {
        const webhooks = yield* WebhookRepository
        const events = yield* EventRepository
        for (const { id, time } of rows) {
          const delivery = yield* webhooks.getDelivery(tenant, id)
          assert.deepStrictEqual(
            [delivery.externalId, delivery.payload, DateTime.formatIso(delivery.receivedAt)],
            [`external ${time}`, null, time]
          )
          assert.strictEqual((yield* events.get(tenant, EventId.make(id))).deliveryId, id)
          const repeat = { ...delivery, id: freshId(DeliveryId), receivedAt: at("2026-06-01T00:00:00Z") }
          assert.deepStrictEqual(yield* acceptOne(tenant, repeat), { deliveryId: id, duplicate: true })
        }
        yield* webhooks.delete(tenant, webhook)
        const rest = yield* sql`
          select 1 from deliveries union all select 1 from delivery_keys`
        assert.strictEqual(rest.length, 0)
      }).pipe(Effect.provide(RepositoriesLive))
    })
  )
})
