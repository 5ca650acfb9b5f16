import type { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { TenantId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { decodeRows, toJsonb } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"

/** Months for which there is a partition before they begin. */
const monthsAhead = 3

/** Whoever looks after the partitions holds it. */
const upkeepLock = 7_241_905

const LastRow = Schema.Struct({ tenantId: TenantId, seq: Schema.Int, hash: Schema.String })

const partitionName = /^audit_log_(\d{4})_(\d{2})$/

/** The first moment of the month of a partition, and of the month after it. */
const boundsOf = (name: string) => {
  const [, year, month] = partitionName.exec(name) ?? []
  if (year === undefined || month === undefined) return undefined
  const from = DateTime.makeUnsafe(`${year}-${month}-01T00:00:00Z`)
  return { from, to: DateTime.add(from, { months: 1 }) }
}

/**
 * The partitions of the audit log. The functions that make and drop them run with the rights of the table's owner and
 * do nothing else, so that no role of the application needs rights on a table.
 */
export const makeAuditUpkeep = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenancy = yield* Tenancy
  const decodeLast = decodeRows(LastRow)
  const known = new Set<string>()

  const make = (month: string) => sql`select audit_make_partition(${`${month}-01`}::date)::text`

  /** Makes sure that a row of this time, ISO 8601, has a place to go. */
  const partitionOf = Effect.fnUntraced(function* (time: string) {
    const month = time.slice(0, 7)
    if (known.has(month)) return
    yield* make(month)
    known.add(month)
  })

  const upkeep: AuditRepository["Service"]["upkeep"] = (now, keepFrom, seal) =>
    tenancy.system(
      "audit_log.upkeep",
      Effect.gen(function* () {
        const [lock] = yield* sql<{ readonly taken: boolean }>`
          select pg_try_advisory_xact_lock(${upkeepLock}) as taken, set_config('lock_timeout', '5s', true) as timeout`
        if (lock?.taken !== true) return []
        const thisMonth = DateTime.startOf(now, "month")
        for (let ahead = 0; ahead <= monthsAhead; ahead++) {
          yield* make(DateTime.formatIso(DateTime.add(thisMonth, { months: ahead })).slice(0, 7))
        }
        const partitions = yield* sql<{ readonly name: string }>`
          select c.relname::text as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
          where i.inhparent = 'audit_log'::regclass order by 1`
        const dropped: Array<string> = []
        for (const { name } of partitions) {
          const bounds = boundsOf(name)
          if (bounds === undefined || DateTime.isGreaterThan(bounds.to, keepFrom)) continue
          yield* moveAnchors(bounds, seal)
          yield* sql`select audit_drop_partition(${DateTime.formatIso(bounds.from).slice(0, 10)}::date)::text`
          dropped.push(name)
        }
        return dropped
      })
    )

  /** What is left begins after the last row that is dropped. */
  const moveAnchors = Effect.fnUntraced(function* (
    { from, to }: { readonly from: DateTime.Utc; readonly to: DateTime.Utc },
    seal: Parameters<typeof upkeep>[2]
  ) {
    const last = yield* decodeLast(
      yield* sql`
      select distinct on (tenant_id) tenant_id, seq::float8 as seq, hash from audit_log
      where recorded_at >= ${DateTime.toDateUtc(from)} and recorded_at < ${DateTime.toDateUtc(to)}
      order by tenant_id, seq desc`
    )
    const anchors = yield* Effect.forEach(last, ({ hash, seq, tenantId }) =>
      Effect.map(seal(tenantId, { seq, hash }), (sealed) => ({ tenantId, seq, hash, seal: sealed }))
    )
    yield* sql`
      update audit_heads h set anchor_seq = a.seq, anchor_hash = a.hash, anchor_seal = a.seal
      from jsonb_to_recordset(${toJsonb(anchors)}) as a ("tenantId" uuid, seq bigint, hash text, seal text)
      where h.tenant_id = a."tenantId" and h.anchor_seq < a.seq`
  })

  return { partitionOf, upkeep }
})
