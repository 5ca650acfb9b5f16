import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { Conflict, StaleVersion } from "@devops-mcp/domain/Errors"
import { Tool } from "@devops-mcp/domain/Tool"
import { DateTime, Effect, Layer } from "effect"
import { storable, toJsonb, toRow } from "../Rows.ts"
import { makeTable } from "./Tables.ts"

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

    return ToolRepository.of({
      get,
      list,
      delete: remove,
      create: (tenantId, tool) =>
        run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = yield* toolRow(tool)
            const inserted = yield* sql`
              insert into tools ${sql.insert({ ...row, tenantId })} on conflict (tenant_id, name) do nothing returning id`
            if (inserted.length === 0) return yield* new Conflict({ detail: `There is a tool named '${tool.name}'` })
            return tool
          })
        ),
      update: (tenantId, name, config, now, version) =>
        run(
          tenantId,
          "update",
          Effect.gen(function* () {
            const unchanged = version === undefined ? sql`` : sql`and version = ${version}`
            const rows = yield* sql`
              update tools set config = ${toJsonb(config)}, version = version + 1, updated_at = ${DateTime.toDateUtc(now)}
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
