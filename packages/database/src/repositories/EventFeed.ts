import { CursorError } from "@devops-mcp/core/ports/Cursor"
import type { EventRepository, FeedFilter } from "@devops-mcp/core/ports/EventRepository"
import type { Event } from "@devops-mcp/domain/Event"
import { Effect } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { cursorsOf } from "../Cursors.ts"
import { storable } from "../Rows.ts"
import type { makeTable } from "./Tables.ts"

type EventTable = Effect.Success<ReturnType<typeof makeTable<typeof Event>>>

/** The transaction and the event of the last change shown. */
const feedKey = /^\d{1,18}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const cursors = cursorsOf("event-feed", feedKey)

/** Before every change of a transaction. */
const beginningOf = (transaction: string) => cursors.encode(`${transaction}.00000000-0000-0000-0000-000000000000`)

interface Horizon {
  /** The first transaction that may still commit, and the first that has not begun. */
  readonly open: string
  readonly next: string
  readonly held: boolean
}

export const conditionsOf = (sql: SqlClient.SqlClient, filter: FeedFilter): ReadonlyArray<Statement.Fragment> => [
  ...(filter.source === undefined ? [] : [sql`source = ${filter.source}`]),
  ...(filter.type === undefined ? [] : [sql`type = ${storable(filter.type)}`]),
  ...(filter.repository === undefined ? [] : [sql`repository = ${storable(filter.repository)}`])
]

/** The feed of the table of events. */
export const feedOf = ({ decode, run, sql }: EventTable): Pick<EventRepository["Service"], "feed" | "feedEnd"> => {
  // Whoever runs on the whole server and has written something counts, of other tenants and databases too.
  const horizon = Effect.flatMap(
    sql<Horizon>`
      select h.open::text, h.next::text, exists (select from events where changed_xid >= h.open) as held
      from (
        select pg_snapshot_xmin(s)::text::bigint as open, pg_snapshot_xmax(s)::text::bigint as next
        from pg_current_snapshot() as s
      ) as h`,
    ([row]) => (row === undefined ? Effect.die(new Error("There is always a snapshot")) : Effect.succeed(row))
  )

  return {
    feedEnd: (tenantId) =>
      run(
        tenantId,
        "feedEnd",
        Effect.map(horizon, ({ open }) => beginningOf(open))
      ),
    feed: (tenantId, { after, limit, ...filter }) =>
      run(
        tenantId,
        "feed",
        Effect.gen(function* () {
          const [transaction = "", id = ""] = ((yield* cursors.decode({ cursor: after, limit })) ?? "").split(".")
          const { held, next, open } = yield* horizon
          // Of another database, or of this one before it was restored: what follows it cannot be told.
          if (BigInt(transaction) > BigInt(next)) return yield* new CursorError()
          // A later statement sees more than the horizon's: what it sees below the horizon has not changed since.
          const rows = yield* sql<{ readonly changed: string }>`
            select *, changed_xid::text as changed from events
            where ${sql.and([
              sql`(changed_xid, id) > (${transaction}::bigint, ${id}::uuid)`,
              sql`changed_xid < ${open}::bigint`,
              ...conditionsOf(sql, filter)
            ])}
            order by changed_xid, id limit ${limit}`
          const events = yield* decode(rows)
          const items = events.map((event, index) => ({
            event,
            cursor: cursors.encode(`${rows[index]?.changed ?? transaction}.${event.id}`)
          }))
          const hasMore = items.length === limit
          const last = items.at(-1)?.cursor ?? after
          // Never back: a cursor may already be behind a horizon that another snapshot saw.
          const isBehind = BigInt(transaction) < BigInt(open)
          return { items, hasMore, cursor: hasMore ? last : isBehind ? beginningOf(open) : after, isHeldBack: held }
        })
      )
  }
}
