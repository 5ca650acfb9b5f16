import { type DeadLetterPage, DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import type { NotFound } from "@devops-mcp/domain/Errors"
import { type DeadLetterId, TenantId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect, Layer, Schema } from "effect"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import { decodeRows, toJsonb, toRow } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"
import { makeTable } from "./Tables.ts"

/** JSON's null is a payload too; a row shows it as an absent column. */
const Row = DeadLetter.mapFields((fields) => ({
  ...fields,
  payload: fields.payload.pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))
}))

const CountRow = Schema.Struct({ queue: Schema.String, count: Schema.Int })

const at = DateTime.toDateUtc

export const DeadLetterRepositoryLive = Layer.effect(
  DeadLetterRepository,
  Effect.gen(function* () {
    const tenancy = yield* Tenancy
    const { decode, list, one, run, sql } = yield* makeTable({
      table: "dead_letters",
      resource: "dead letter",
      schema: Row,
      key: "id"
    })
    const decodeCounts = decodeRows(CountRow)
    const decodeTenants = decodeRows(Schema.Struct({ id: TenantId }))
    const letterRow = toRow(DeadLetter)

    const chosen = (ids: ReadonlyArray<DeadLetterId> | undefined) =>
      ids === undefined ? sql`` : ids.length === 0 ? sql`and false` : sql`and ${sql.in("id", ids)}`

    /** The tenant that owns what nobody can tell the owner of. */
    const firstTenant = tenancy.system(
      "dead_letters.firstTenant",
      Effect.flatMap(sql`select id from tenants order by id limit 1`, decodeTenants)
    )

    const put = (tenantId: TenantId, letter: DeadLetter) =>
      run(
        tenantId,
        "put",
        Effect.gen(function* () {
          const row = { ...(yield* letterRow(letter)), payload: toJsonb(letter.payload), tenantId }
          yield* sql`
            insert into dead_letters ${sql.insert(row)}
            on conflict (tenant_id, queue, job_id) do update set
              error = excluded.error, attempts = excluded.attempts, redrives = excluded.redrives,
              failed_at = excluded.failed_at, discarded_at = null, discard_reason = null`
        })
      )

    return DeadLetterRepository.of({
      put: Effect.fnUntraced(function* (tenantId, letter) {
        if (tenantId !== undefined) return yield* put(tenantId, letter)
        const [first] = yield* firstTenant
        // Nothing was ever offered where there is no tenant.
        if (first !== undefined) yield* put(first.id, letter)
      }),
      get: (tenantId, queue, id): Effect.Effect<DeadLetter, NotFound | StoreError> =>
        run(tenantId, "get", one(id, sql`select * from dead_letters where id = ${id} and queue = ${queue}`)),
      list: (tenantId, queue, page: DeadLetterPage) =>
        list(tenantId, page, [
          sql`queue = ${queue}`,
          page.discarded === true ? sql`discarded_at is not null` : sql`discarded_at is null`
        ]),
      counts: (tenantId) =>
        run(
          tenantId,
          "counts",
          Effect.gen(function* () {
            const rows = yield* decodeCounts(
              yield* sql`select queue, count(*)::int as count from dead_letters where discarded_at is null group by queue`
            )
            return new Map(rows.map(({ count, queue }) => [queue, count]))
          })
        ),
      takeOut: (tenantId, queue, { after, ids, limit }) =>
        run(
          tenantId,
          "takeOut",
          Effect.gen(function* () {
            const letters = yield* decode(
              yield* sql`
                delete from dead_letters where id in (
                  select id from dead_letters where queue = ${queue} and discarded_at is null ${chosen(ids)}
                    ${after === undefined ? sql`` : sql`and id > ${after}`}
                  order by id limit ${limit} for update skip locked)
                returning *`
            )
            return letters.toSorted((one, other) => (one.id < other.id ? -1 : 1))
          })
        ),
      discard: (tenantId, queue, { at: discardedAt, ids, reason }) =>
        run(
          tenantId,
          "discard",
          Effect.map(
            sql`
              update dead_letters set discarded_at = ${at(discardedAt)}, discard_reason = ${reason}
              where queue = ${queue} and discarded_at is null ${chosen(ids)} returning id`,
            (rows) => rows.length
          )
        ),
      sweep: (discardedBefore) =>
        tenancy.system(
          "dead_letters.sweep",
          Effect.map(
            sql`delete from dead_letters where discarded_at < ${at(discardedBefore)} returning discarded_at`,
            (rows) => rows.length
          )
        )
    })
  })
)
