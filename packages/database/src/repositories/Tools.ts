import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { Conflict, StaleVersion } from "@devops-mcp/domain/Errors"
import { Tool } from "@devops-mcp/domain/Tool"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { decodeRows, storable, toJsonb, toRow } from "../Rows.ts"
import { makeTable } from "./Tables.ts"

const CredentialsRow = Schema.Struct({ sealedCredentials: Schema.optionalKey(SealedText) })

export const ToolRepositoryLive = Layer.effect(
  ToolRepository,
  Effect.gen(function* () {
    const { decode, get, list, missing, remove, run, sql } = yield* makeTable({
      table: "tools",
      resource: "tool",
      schema: Tool,
      key: "name"
    })
    const toolRow = toRow(Tool)
    const decodeCredentials = decodeRows(CredentialsRow)

    return ToolRepository.of({
      get,
      list,
      delete: remove,
      create: (tenantId, tool, credentials) =>
        run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = { ...(yield* toolRow(tool)), tenantId, sealedCredentials: credentials ?? null }
            const inserted = yield* sql`
              insert into tools ${sql.insert(row)} on conflict (tenant_id, name) do nothing returning id`
            if (inserted.length === 0) return yield* new Conflict({ detail: `There is a tool named '${tool.name}'` })
            return tool
          })
        ),
      credentials: (tenantId, id) =>
        run(
          tenantId,
          "credentials",
          Effect.gen(function* () {
            const [row] = yield* decodeCredentials(yield* sql`select sealed_credentials from tools where id = ${id}`)
            return Option.fromUndefinedOr(row?.sealedCredentials)
          })
        ),
      update: (tenantId, name, { config, credentials }, now, version) =>
        run(
          tenantId,
          "update",
          Effect.gen(function* () {
            const unchanged = version === undefined ? sql`` : sql`and version = ${version}`
            const newConfig = config === undefined ? sql`` : sql`config = ${toJsonb(config)},`
            const newCredentials = credentials === undefined ? sql`` : sql`sealed_credentials = ${credentials},`
            const rows = yield* sql`
              update tools
              set ${newConfig} ${newCredentials} version = version + 1, updated_at = ${DateTime.toDateUtc(now)}
              where name = ${storable(name)} ${unchanged} returning *`
            const [tool] = yield* decode(rows)
            if (tool !== undefined) return tool
            const found = yield* sql`select 1 from tools where name = ${storable(name)}`
            return yield* found.length === 0 ? missing(name) : new StaleVersion({ resource: "tool", id: name })
          })
        )
    })
  })
)
