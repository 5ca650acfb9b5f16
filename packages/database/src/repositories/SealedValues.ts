import { type SealedColumn, SealedValues } from "@devops-mcp/core/ports/SealedValues"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { decodeRows } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"

/** `id` is a column of UUIDs, each in one row of a tenant; the application may change what is sealed. */
const columns: ReadonlyArray<SealedColumn & { readonly id: string }> = [
  { table: "tools", column: "sealed_credentials", id: "id" },
  { table: "webhooks", column: "sealed_secret", id: "id" },
  { table: "webhooks", column: "previous_sealed_secret", id: "id" },
  { table: "oauth_providers", column: "sealed_client_secret", id: "id" },
  { table: "connections", column: "sealed_access_token", id: "id" },
  { table: "connections", column: "sealed_refresh_token", id: "id" },
  { table: "request_replays", column: "sealed_answer", id: "fence" }
]

const idOf = ({ column, table }: SealedColumn) =>
  columns.find((known) => known.table === table && known.column === column)?.id ?? "id"

const Row = Schema.Struct({ id: Schema.String, sealed: Schema.String })

export const SealedValuesLive = Layer.effect(
  SealedValues,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tenancy = yield* Tenancy
    const decode = decodeRows(Row)

    return SealedValues.of({
      columns,
      outdated: (tenantId, place, { after, limit, newestPrefix }) => {
        const [id, column] = [sql(idOf(place)), sql(place.column)]
        return tenancy.run(
          tenantId,
          "sealedValues.outdated",
          Effect.flatMap(
            sql`
              select ${id} as id, ${column} as sealed from ${sql(place.table)}
              where ${column} is not null and not starts_with(${column}, ${newestPrefix})
                ${after === undefined ? sql`` : sql`and ${id} > ${after}`}
              order by ${id} limit ${limit}`,
            decode
          )
        )
      },
      replace: (tenantId, place, values) => {
        const [id, column] = [sql(idOf(place)), sql(place.column)]
        return tenancy.run(
          tenantId,
          "sealedValues.replace",
          Effect.map(
            sql`
              update ${sql(place.table)} as stored set ${column} = news.renewed
              from unnest(
                ${values.map((value) => value.id)}::uuid[],
                ${values.map((value) => value.sealed)}::text[],
                ${values.map((value) => value.renewed)}::text[]
              ) as news (id, sealed, renewed)
              where stored.${id} = news.id and stored.${column} = news.sealed
              returning 1`,
            (rows) => rows.length
          )
        )
      }
    })
  })
)
