import type { CursorError } from "@devops-mcp/core/ports/Cursor"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import { NotFound } from "@devops-mcp/domain/Errors"
import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Effect, type Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { cursorsOf, uuidKey } from "../Cursors.ts"
import { receivedAround } from "../ReceivedAround.ts"
import { decodeRows, storable } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"

export interface TableOptions<S> {
  readonly table: string
  /** What callers call one row. */
  readonly resource: string
  readonly schema: S
  /** The column that callers name a row by. */
  readonly key: string
  /** It has a partition for each month of `received_at`, and UUIDv7s that are made when their row is received. */
  readonly isMonthly?: boolean
}

/** What every tenant's table offers in the same way: get, list by newest id, delete. */
export const makeTable = Effect.fnUntraced(function* <
  S extends Schema.Decoder<unknown> & { readonly Type: { readonly id: string } }
>({ isMonthly = false, key, resource, schema, table }: TableOptions<S>) {
  const sql = yield* SqlClient.SqlClient
  const tenancy = yield* Tenancy
  const decode = decodeRows(schema)
  const cursors = cursorsOf(table, uuidKey)
  const missing = (id: string) => new NotFound({ resource, id })

  /** The row that a statement returns, or NotFound. */
  const one = <E>(id: string, statement: Effect.Effect<ReadonlyArray<object>, E>) =>
    Effect.flatMap(Effect.flatMap(statement, decode), ([row]) =>
      row === undefined ? Effect.fail(missing(id)) : Effect.succeed(row)
    )

  const find = Effect.fnUntraced(function* (id: string) {
    const named = sql`select * from ${sql(table)} where ${sql(key)} = ${storable(id)}`
    const around = isMonthly ? receivedAround(id) : undefined
    if (around === undefined) return yield* named
    // One partition or two have it, unless a clock was wrong.
    const rows = yield* sql`${named} and received_at >= ${around.since} and received_at < ${around.until}`
    return rows.length > 0 ? rows : yield* named
  })

  const get = (tenantId: TenantId, id: string): Effect.Effect<S["Type"], NotFound | StoreError> =>
    tenancy.run(tenantId, `${table}.get`, one(id, find(id)))

  const list = (
    tenantId: TenantId,
    request: PageRequest,
    conditions: ReadonlyArray<Statement.Fragment> = []
  ): Effect.Effect<Page<S["Type"]>, CursorError | StoreError> =>
    tenancy.run(
      tenantId,
      `${table}.list`,
      Effect.gen(function* () {
        const before = yield* cursors.decode(request)
        const all = before === undefined ? conditions : [...conditions, sql`id < ${before}`]
        const rows = yield* sql`
          select * from ${sql(table)} ${all.length === 0 ? sql`` : sql`where ${sql.and(all)}`}
          order by id desc limit ${request.limit + 1}`
        return cursors.page(yield* decode(rows), request, (row) => row.id)
      })
    )

  const remove = (tenantId: TenantId, id: string): Effect.Effect<void, NotFound | StoreError> =>
    tenancy.run(
      tenantId,
      `${table}.delete`,
      Effect.flatMap(sql`delete from ${sql(table)} where ${sql(key)} = ${storable(id)} returning id`, (rows) =>
        rows.length === 0 ? Effect.fail(missing(id)) : Effect.void
      )
    )

  const run = <A, E>(tenantId: TenantId, method: string, effect: Effect.Effect<A, E>) =>
    tenancy.run(tenantId, `${table}.${method}`, effect)

  return { sql, decode, one, get, list, remove, run, missing }
})
