import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { Event } from "@devops-mcp/domain/Event"
import { DateTime, Effect, Layer } from "effect"
import { storable, toRow } from "../Rows.ts"
import { makeTable } from "./Tables.ts"

export const EventRepositoryLive = Layer.effect(
  EventRepository,
  Effect.gen(function* () {
    const { decode, get, list, run, sql } = yield* makeTable({
      table: "events",
      resource: "event",
      schema: Event,
      key: "id",
      isMonthly: true
    })
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
            yield* sql`
              insert into events ${sql.insert({ ...row, tenantId })}
              on conflict (id, received_at) do update set status = excluded.status where events.status <> 'processed'`
            const [stored] = yield* decode(
              yield* sql`
                select * from events
                where id = ${event.id} and received_at = ${DateTime.toDateUtc(event.receivedAt)}`
            )
            return stored ?? event
          })
        ),
      list: (tenantId, filter) =>
        list(tenantId, filter, [
          ...(filter.source === undefined ? [] : [sql`source = ${filter.source}`]),
          ...(filter.type === undefined ? [] : [sql`type = ${storable(filter.type)}`]),
          ...(filter.repository === undefined ? [] : [sql`repository = ${storable(filter.repository)}`]),
          ...(filter.since === undefined ? [] : [sql`occurred_at >= ${DateTime.toDateUtc(filter.since)}`]),
          ...(filter.until === undefined ? [] : [sql`occurred_at < ${DateTime.toDateUtc(filter.until)}`])
        ])
    })
  })
)
