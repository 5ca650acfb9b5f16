import { type Expiring, RetentionRepository } from "@devops-mcp/core/ports/RetentionRepository"
import { ContextId, DeliveryId, TenantId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { idAfter } from "../ReceivedAround.ts"
import { decodeRows } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"

/** Months for which there is a partition before they begin. */
const monthsAhead = 3

/** Whoever removes what is old holds it. */
const upkeepLock = 7_241_906

const ContextRow = Schema.Struct({ tenantId: TenantId, contextId: ContextId })
const ObjectRow = Schema.Struct({ tenantId: TenantId, deliveryId: DeliveryId })

const at = DateTime.toDateUtc

/** The first day of a month, as SQL's dates are. */
const dayOf = (time: DateTime.Utc) => DateTime.formatIso(time).slice(0, 10)

export const RetentionRepositoryLive = Layer.effect(
  RetentionRepository,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tenancy = yield* Tenancy
    const decodeContexts = decodeRows(ContextRow)
    const decodeObjects = decodeRows(ObjectRow)

    /** One replica at a time, and never in the way of requests for long. */
    const alone = <A>(method: string, idle: A, effect: Effect.Effect<A, SqlError.SqlError>) =>
      tenancy.system(
        `retention.${method}`,
        Effect.gen(function* () {
          const [lock] = yield* sql<{ readonly taken: boolean }>`
            select pg_try_advisory_xact_lock(${upkeepLock}) as taken, set_config('lock_timeout', '5s', true) as timeout`
          return lock?.taken === true ? yield* effect : idle
        })
      )

    /** A piece from the old end of an index: the oldest rows, and those of the same moment as the last of them. */
    const oldest = (table: string, column: string, before: DateTime.Utc, limit: number) => {
      const time = sql(column)
      return sql`
        delete from ${sql(table)} where ${time} <= (
          select max(age) from (
            select ${time} as age from ${sql(table)} where ${time} < ${at(before)} order by ${time} limit ${limit}
          ) as piece
        ) returning 1`
    }

    /** An id says when it was made, so that an index by ids has the old end that is looked at. */
    const passages = (before: DateTime.Utc, limit: number) => sql`
      delete from chunks where kind = 'event' and ref_id in (
        select ref_id from chunks where kind = 'event' and ref_id < ${idAfter(before)}::uuid
          and not exists (
            select from events where events.id = chunks.ref_id and events.received_at >= ${at(before)}
          )
        order by ref_id limit ${limit}
      ) returning 1`

    const removals: Record<
      Expiring,
      (before: DateTime.Utc, limit: number) => Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>
    > = {
      eventPassages: passages,
      deliveryKeys: (before, limit) => oldest("delivery_keys", "received_at", before, limit),
      idempotency: (before, limit) => oldest("idempotency", "claimed_at", before, limit),
      apiKeys: (before, limit) => oldest("api_keys", "expires_at", before, limit)
    }

    return RetentionRepository.of({
      makePartitions: (table, now) =>
        alone(
          "makePartitions",
          undefined,
          Effect.gen(function* () {
            const month = DateTime.startOf(now, "month")
            for (let ahead = 0; ahead <= monthsAhead; ahead++) {
              const day = dayOf(DateTime.add(month, { months: ahead }))
              yield* sql`select make_partition(${table}, ${day}::date)::text`
            }
            yield* sql`select settle_default_partition(${table})::text`
          })
        ),
      dropPartitions: (table, before) =>
        alone(
          "dropPartitions",
          [],
          Effect.gen(function* () {
            const end = dayOf(DateTime.startOf(before, "month"))
            const old = yield* sql<{ readonly name: string; readonly day: string }>`
              select name, day from (
                select c.relname::text as name, replace(right(c.relname, 7), '_', '-') || '-01' as day
                from pg_inherits i join pg_class c on c.oid = i.inhrelid
                where i.inhparent = ${table}::regclass and c.relname ~ '_[0-9]{4}_[0-9]{2}$'
              ) as months where day < ${end} order by day`
            yield* Effect.forEach(old, ({ day }) => sql`select drop_partition(${table}, ${day}::date)::text`)
            return old.map(({ name }) => name)
          })
        ),
      remove: (kind, before, limit) =>
        alone(
          `remove.${kind}`,
          0,
          Effect.map(removals[kind](before, limit), (rows) => rows.length)
        ),
      removeContexts: (now, limit) =>
        alone(
          "removeContexts",
          [],
          Effect.flatMap(
            sql`
              with gone as (
                delete from contexts where expires_at <= ${at(now)} and id in (
                  select id from contexts where expires_at <= ${at(now)} order by expires_at limit ${limit}
                ) returning tenant_id, id
              ), passages as (
                delete from chunks using gone
                where chunks.tenant_id = gone.tenant_id and chunks.kind = 'context' and chunks.ref_id = gone.id
              )
              select tenant_id, id as context_id from gone`,
            decodeContexts
          )
        ),
      strayObjects: (before, limit) =>
        alone(
          "strayObjects",
          [],
          Effect.flatMap(
            sql`
              select tenant_id, delivery_id from delivery_objects o
              where received_at < ${at(before)} and not exists (
                select from deliveries d where d.id = o.delivery_id and d.received_at = o.received_at
              )
              order by received_at limit ${limit}`,
            decodeObjects
          )
        ),
      forgetObjects: (ids) =>
        tenancy.system(
          "retention.forgetObjects",
          Effect.asVoid(sql`delete from delivery_objects where delivery_id = any(${[...ids]}::uuid[])`)
        )
    })
  })
)
