import {
  type AuditChain,
  type AuditHead,
  AuditRepository,
  type AuditSpan
} from "@devops-mcp/core/ports/AuditRepository"
import { emptyHead, genesis } from "@devops-mcp/core/audit/AuditChain"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { type AuditEntry, type AuditFilter, type AuditLine, AuditRecord } from "@devops-mcp/domain/Audit"
import { AuditId, TenantId } from "@devops-mcp/domain/Ids"
import { Array as Arr, DateTime, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { cursorsOf } from "../Cursors.ts"
import { decodeRows, storable, toJsonb } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"
import { makeAuditUpkeep } from "./AuditUpkeep.ts"

const HeadRow = Schema.Struct({
  tenantId: TenantId,
  seq: Schema.Int,
  hash: Schema.String,
  seal: Schema.String,
  recordedAt: Schema.String,
  unsealedSeq: Schema.Int
})

const ChainRow = Schema.Struct({
  ...HeadRow.fields,
  anchorSeq: Schema.Int,
  anchorHash: Schema.String,
  anchorSeal: Schema.String,
  strayId: Schema.optionalKey(AuditId),
  straySeq: Schema.optionalKey(Schema.Int)
})

const IdRow = Schema.Struct({ id: AuditId })

const seqKey = /^[0-9]{1,15}$/

/** How far back a row is looked for that an earlier attempt may have written: others have written behind it since. */
const lookBack = 10_000

type Entries = ReadonlyArray<{ readonly tenantId: TenantId; readonly entry: AuditEntry }>

/** One statement can take the rows of all tenants; in the order in which their heads are locked. */
const byTenant = (entries: Entries) => {
  const groups = new Map<TenantId, Array<AuditEntry>>()
  for (const { entry, tenantId } of entries) {
    const group = groups.get(tenantId)
    if (group === undefined) groups.set(tenantId, [entry])
    else group.push(entry)
  }
  return [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

const removed = new StoreError({
  operation: "audit_log.append",
  retryable: true,
  cause: new Error("Somebody removed the head of an audit chain")
})

export const AuditRepositoryLive = Layer.effect(
  AuditRepository,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tenancy = yield* Tenancy
    const { partitionOf, upkeep } = yield* makeAuditUpkeep
    const cursors = cursorsOf("audit_log", seqKey)
    const decodeRecords = decodeRows(AuditRecord)
    const decodeLines = decodeRows(Schema.toEncoded(AuditRecord))
    const decodeHeads = decodeRows(HeadRow)
    const decodeChain = decodeRows(ChainRow)
    const decodeIds = decodeRows(IdRow)

    // The driver makes a bigint of a bigint; no tenant gets to 2^53 rows.
    const columns = sql.literal(
      "id, tenant_id, seq::float8 as seq, actor, credential, action, target, outcome, changes, request_id, address, " +
        "duration_ms, occurred_at, recorded_at, prev_hash, hash"
    )
    const headColumns = sql.literal(
      "h.tenant_id, h.seq::float8 as seq, h.hash, h.seal, h.recorded_at, h.unsealed_seq::float8 as unsealed_seq"
    )

    /** Tenants that have a head for certain, unless somebody removed it. */
    const begun = new Set<TenantId>()

    /**
     * Makes heads where there are none, in a transaction of its own: locks on heads that are and heads that are just
     * being made would wait for each other in a circle.
     */
    const begin = Effect.fnUntraced(function* (tenants: ReadonlyArray<TenantId>) {
      const fresh = tenants.filter((tenant) => !begun.has(tenant))
      if (!Arr.isArrayNonEmpty(fresh)) return
      const rows = Arr.map(fresh, (tenantId) => ({ tenantId, ...emptyRow }))
      yield* tenancy.system(
        "audit_log.begin",
        sql`insert into audit_heads ${sql.insert(rows)} on conflict (tenant_id) do nothing`
      )
      for (const tenant of fresh) begun.add(tenant)
    })

    /** The heads of these tenants, for this transaction alone. */
    const takeHeads = Effect.fnUntraced(function* (tenants: ReadonlyArray<TenantId>) {
      // In one order for all writers, so that none waits for another in a circle.
      const rows = yield* decodeHeads(
        yield* sql`
        select ${headColumns} from audit_heads h where ${sql.in("tenant_id", tenants)} order by tenant_id for update`
      )
      if (rows.length < tenants.length) {
        begun.clear()
        return yield* removed
      }
      return new Map<TenantId, AuditHead>(rows.map(({ tenantId, ...head }) => [tenantId, head]))
    })

    const unwritten = Effect.fnUntraced(function* (tenantId: TenantId, head: AuditHead, entries: Array<AuditEntry>) {
      const ids = entries.map(({ id }) => id)
      const found = yield* decodeIds(
        yield* sql`
        select id from audit_log
        where tenant_id = ${tenantId} and seq > ${head.seq - lookBack} and ${sql.in("id", ids)}`
      )
      const written = new Set(found.map(({ id }) => id))
      return entries.filter(({ id }) => !written.has(id))
    })

    const insert = (
      lines: ReadonlyArray<AuditLine>,
      heads: ReadonlyArray<AuditHead & { readonly tenantId: TenantId }>
    ) =>
      // One parameter for all rows: a parameter each costs more than the rest of the insert.
      sql`
        with moved as (
          update audit_heads h set
            seq = n.seq, hash = n.hash, seal = n.seal, recorded_at = n."recordedAt", unsealed_seq = n."unsealedSeq"
          from jsonb_to_recordset(${toJsonb(heads)}) as n (
            "tenantId" uuid, seq bigint, hash text, seal text, "recordedAt" timestamptz, "unsealedSeq" bigint
          )
          where h.tenant_id = n."tenantId"
        )
        insert into audit_log (
          id, tenant_id, seq, actor, credential, action, target, outcome, changes, request_id, address, duration_ms,
          occurred_at, recorded_at, prev_hash, hash
        )
        select id, "tenantId", seq, actor, credential, action, target, outcome, changes, "requestId", address,
          "durationMs", "occurredAt", "recordedAt", "prevHash", hash
        from jsonb_to_recordset(${toJsonb(lines)}) as r (
          id uuid, "tenantId" uuid, seq bigint, actor text, credential text, action text, target text, outcome text,
          changes boolean, "requestId" text, address text, "durationMs" double precision, "occurredAt" timestamptz,
          "recordedAt" timestamptz, "prevHash" text, hash text
        )`

    const at = DateTime.toDateUtc

    const conditionsOf = ({ action, actor, outcome, since, target, until }: AuditFilter) => [
      ...(actor === undefined ? [] : [sql`actor = ${storable(actor)}`]),
      ...(action === undefined ? [] : [sql`action = ${storable(action)}`]),
      ...(outcome === undefined ? [] : [sql`outcome = ${outcome}`]),
      ...(target === undefined ? [] : [sql`target = ${storable(target)}`]),
      // Whatever a replica's clock says, a row is on record within a day: whole partitions are left out.
      ...(since === undefined
        ? []
        : [sql`occurred_at >= ${at(since)}`, sql`recorded_at >= ${at(DateTime.subtract(since, { days: 1 }))}`]),
      ...(until === undefined ? [] : [sql`occurred_at < ${at(until)}`])
    ]

    const spanOf = ({ since, until }: AuditSpan) => [
      ...(since === undefined ? [] : [sql`recorded_at >= ${at(since)}`]),
      ...(until === undefined ? [] : [sql`recorded_at < ${at(until)}`])
    ]

    const all = (conditions: ReadonlyArray<Statement.Fragment>) =>
      conditions.length === 0 ? sql`` : sql`where ${sql.and(conditions)}`

    return AuditRepository.of({
      append: Effect.fnUntraced(function* (entries, links, again = false) {
        const groups = byTenant(entries)
        if (groups.length === 0) return
        const tenants = groups.map(([tenantId]) => tenantId)
        yield* begin(tenants)
        yield* tenancy.system(
          "audit_log.append",
          Effect.gen(function* () {
            const heads = yield* takeHeads(tenants)
            const lines: Array<AuditLine> = []
            const moved: Array<AuditHead & { readonly tenantId: TenantId }> = []
            for (const [tenantId, group] of groups) {
              const head = heads.get(tenantId) ?? emptyHead
              const left = again ? yield* unwritten(tenantId, head, group) : group
              if (left.length === 0) continue
              const linked = yield* links(tenantId, head, left)
              for (const line of linked.lines) lines.push(line)
              moved.push({ ...linked.head, tenantId })
            }
            for (const { recordedAt } of moved) yield* partitionOf(recordedAt)
            if (lines.length > 0) yield* insert(lines, moved)
          })
        )
      }),
      list: (tenantId, request) =>
        tenancy.run(
          tenantId,
          "audit_log.list",
          Effect.gen(function* () {
            const before = yield* cursors.decode(request)
            const conditions = conditionsOf(request)
            const older = before === undefined ? conditions : [...conditions, sql`seq < ${Number(before)}`]
            const rows = yield* sql`
              select ${columns} from audit_log ${all(older)} order by tenant_id desc, seq desc limit ${request.limit + 1}`
            return cursors.page(yield* decodeRecords(rows), request, ({ seq }) => String(seq))
          })
        ),
      reseal: (tenantId, reseal) =>
        tenancy.system(
          "audit_heads.reseal",
          Effect.gen(function* () {
            const rows = yield* sql`
              select ${headColumns}, h.anchor_seq::float8 as anchor_seq, h.anchor_hash, h.anchor_seal
              from audit_heads h where h.tenant_id = ${tenantId} for update`
            const [row] = yield* decodeChain(rows)
            if (row === undefined) return false
            const anchor = { seq: row.anchorSeq, hash: row.anchorHash, seal: row.anchorSeal }
            const seals = yield* reseal(tenantId, row, anchor)
            if (Option.isNone(seals)) return false
            yield* sql`
              update audit_heads set seal = ${seals.value.head}, anchor_seal = ${seals.value.anchor}
              where tenant_id = ${tenantId}`
            return true
          })
        ),
      chain: (tenantId) =>
        tenancy.run(
          tenantId,
          "audit_log.chain",
          Effect.gen(function* () {
            // One statement, so that head and rows are of the same moment.
            const rows = yield* sql`
              select ${headColumns}, h.anchor_seq::float8 as anchor_seq, h.anchor_hash, h.anchor_seal,
                s.id as stray_id, s.seq::float8 as stray_seq
              from audit_heads h left join lateral (
                select id, seq from audit_log r where r.tenant_id = h.tenant_id and r.seq > h.seq order by seq limit 1
              ) s on true`
            const [row] = yield* decodeChain(rows)
            if (row === undefined) return { head: emptyHead, anchor: { ...genesis, seal: "" }, stray: undefined }
            const { anchorHash, anchorSeal, anchorSeq, strayId, straySeq, tenantId: _, ...head } = row
            return {
              head,
              anchor: { seq: anchorSeq, hash: anchorHash, seal: anchorSeal },
              stray: strayId === undefined || straySeq === undefined ? undefined : { id: strayId, seq: straySeq }
            } satisfies AuditChain
          })
        ),
      lines: (tenantId, after, limit, span = {}) =>
        tenancy.run(
          tenantId,
          "audit_log.lines",
          Effect.flatMap(
            // Two rows of one number are what a check must see.
            sql`
              select ${columns} from audit_log
              where ${sql.and([sql`seq >= ${after.seq}`, sql`(seq, id) > (${after.seq}, ${after.id})`, ...spanOf(span)])}
              order by tenant_id, seq, id limit ${limit}`,
            decodeLines
          )
        ),
      upkeep
    })
  })
)

const emptyRow = {
  ...emptyHead,
  anchorSeq: genesis.seq,
  anchorHash: genesis.hash,
  anchorSeal: ""
}
