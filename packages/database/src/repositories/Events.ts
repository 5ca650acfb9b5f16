import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { Event } from "@devops-mcp/domain/Event"
import { DateTime, Effect, Layer } from "effect"
import { toRow } from "../Rows.ts"
import { conditionsOf, feedOf } from "./EventFeed.ts"
import { makeTable } from "./Tables.ts"

export const EventRepositoryLive = Layer.effect(
  EventRepository,
  Effect.gen(function* () {
    const table = yield* makeTable({ table: "events", resource: "event", schema: Event, key: "id", isMonthly: true })
    const { decode, get, list, run, sql } = table
    const eventRow = toRow(Event)

    return EventRepository.of({
      get,
      upsert: (tenantId, event) =>
        run(
          tenantId,
          "upsert",
          Effect.gen(function* () {
            const row = yield* eventRow(event)
            // A late failure of one worker never takes back what another has processed.
            const written = yield* sql`
              insert into events ${sql.insert({ ...row, tenantId })}
              on conflict (id, received_at) do update set status = excluded.status, changed_xid = excluded.changed_xid
              where events.status <> 'processed' and events.status <> excluded.status
              returning *`
            const there = sql`
              select * from events where id = ${event.id} and received_at = ${DateTime.toDateUtc(event.receivedAt)}`
            const [stored] = yield* decode(written.length > 0 ? written : yield* there)
            return stored ?? event
          })
        ),
      ...feedOf(table),
      list: (tenantId, filter) =>
        list(tenantId, filter, [
          ...conditionsOf(sql, filter),
          ...(filter.since === undefined ? [] : [sql`occurred_at >= ${DateTime.toDateUtc(filter.since)}`]),
          ...(filter.until === undefined ? [] : [sql`occurred_at < ${DateTime.toDateUtc(filter.until)}`])
        ])
    })
  })
)
