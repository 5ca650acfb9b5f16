import { ContextRepository, type NewItem } from "@devops-mcp/core/ports/ContextRepository"
import { AgentContext, ContextItem } from "@devops-mcp/domain/AgentContext"
import { StaleVersion } from "@devops-mcp/domain/Errors"
import type { ContextId, TenantId } from "@devops-mcp/domain/Ids"
import { Array, DateTime, Effect, Layer, Schema, Struct } from "effect"
import { cursorsOf } from "../Cursors.ts"
import { decodeRows, storable, toRow } from "../Rows.ts"
import { makeTable } from "./Tables.ts"

const NewContextRow = AgentContext.mapFields(Struct.omit(["tokenCount", "itemCount", "version"]))
const patchRow = toRow(
  AgentContext.mapFields((fields) => ({
    name: Schema.optionalKey(fields.name),
    description: fields.description,
    maxTokens: Schema.optionalKey(fields.maxTokens),
    metadata: Schema.optionalKey(fields.metadata),
    expiresAt: fields.expiresAt,
    updatedAt: fields.updatedAt
  }))
)

/** Makes LIKE's wildcards ordinary characters. */
const literalPattern = (text: string) => `%${storable(text).replaceAll(/[\\%_]/g, "\\$&")}%`

export const ContextRepositoryLive = Layer.effect(
  ContextRepository,
  Effect.gen(function* () {
    const { decode, get, list, missing, one, remove, run, sql } = yield* makeTable({
      table: "contexts",
      resource: "context",
      schema: AgentContext,
      key: "id"
    })
    const decodeItems = decodeRows(ContextItem)
    const contextRow = toRow(NewContextRow)
    const itemRow = toRow(ContextItem)
    const itemCursors = cursorsOf("context_items", /^\d{1,9}$/)

    const insertItems = Effect.fnUntraced(function* (
      tenantId: TenantId,
      contextId: ContextId,
      items: ReadonlyArray<ContextItem>
    ) {
      const rows = yield* Effect.forEach(items, (item) =>
        Effect.map(itemRow(item), (row): Record<string, unknown> => ({ ...row, tenantId, contextId }))
      )
      if (Array.isArrayNonEmpty(rows)) yield* sql`insert into context_items ${sql.insert(rows)}`
    })

    const append = Effect.fnUntraced(function* (tenantId: TenantId, id: ContextId, items: ReadonlyArray<NewItem>) {
      const tokens = items.reduce((total, item) => total + item.tokens, 0)
      // The update locks the context's row, so concurrent appends get their numbers one after the other.
      const rows = yield* sql<{ readonly nextSeq: number }>`
        update contexts set
          next_seq = next_seq + ${items.length},
          item_count = item_count + ${items.length},
          token_count = token_count + ${tokens},
          version = version + 1,
          updated_at = greatest(updated_at, now())
        where id = ${id} returning *`
      const context = yield* one(id, Effect.succeed(rows))
      const firstSeq = (rows[0]?.nextSeq ?? 1) - items.length
      const numbered = items.map((item, index) => ({ ...item, seq: firstSeq + index }))
      yield* insertItems(tenantId, id, numbered)
      return { items: numbered, context }
    })

    const staleOr = Effect.fnUntraced(function* (id: ContextId) {
      const found = yield* sql`select 1 from contexts where id = ${id}`
      return yield* found.length === 0 ? missing(id) : new StaleVersion({ resource: "context", id })
    })

    return ContextRepository.of({
      get,
      delete: remove,
      create: (tenantId, context) =>
        run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = yield* contextRow({ ...context, updatedAt: context.createdAt })
            const rows = yield* sql`insert into contexts ${sql.insert({ ...row, tenantId })} returning *`
            return yield* one(context.id, Effect.succeed(rows))
          }).pipe(Effect.catchTag("@devops-mcp/domain/Errors/NotFound", Effect.die))
        ),
      list: (tenantId, filter) =>
        list(tenantId, filter, [
          ...(filter.agentId === undefined ? [] : [sql`agent_id = ${storable(filter.agentId)}`]),
          ...(filter.sessionId === undefined ? [] : [sql`session_id = ${storable(filter.sessionId)}`]),
          ...(filter.q === undefined
            ? []
            : [sql`(name ilike ${literalPattern(filter.q)} or description ilike ${literalPattern(filter.q)})`])
        ]),
      update: (tenantId, id, patch, now, version) =>
        run(
          tenantId,
          "update",
          Effect.gen(function* () {
            const row = yield* patchRow({ ...patch, updatedAt: now })
            const unchanged = version === undefined ? sql`` : sql`and version = ${version}`
            const rows = yield* sql`
              update contexts set ${sql.update(row)}, version = version + 1 where id = ${id} ${unchanged} returning *`
            const [context] = yield* decode(rows)
            return context ?? (yield* staleOr(id))
          })
        ),
      append: (tenantId, id, items) => run(tenantId, "append", append(tenantId, id, items)),
      listItems: (tenantId, id, request) =>
        run(
          tenantId,
          "listItems",
          Effect.gen(function* () {
            yield* get(tenantId, id)
            const after = Number((yield* itemCursors.decode(request)) ?? 0)
            const group =
              request.removedBy === undefined ? sql`removed_by is null` : sql`removed_by = ${request.removedBy}`
            const rows = yield* sql`
              select * from context_items where context_id = ${id} and ${group} and seq > ${after}
              order by seq limit ${request.limit + 1}`
            return itemCursors.page(yield* decodeItems(rows), request, (item) => String(item.seq))
          })
        ),
      allItems: (tenantId, id) =>
        run(
          tenantId,
          "allItems",
          Effect.gen(function* () {
            yield* get(tenantId, id)
            return yield* decodeItems(
              yield* sql`select * from context_items where context_id = ${id} and removed_by is null order by seq`
            )
          })
        ),
      replaceWithDigest: (tenantId, id, removed, digest) =>
        run(
          tenantId,
          "replaceWithDigest",
          Effect.gen(function* () {
            // The lock comes first: whoever else changes this context waits, and counts are of one state.
            yield* one(id, sql`select * from contexts where id = ${id} for update`)
            const taken = yield* sql<{ readonly tokens: number }>`
              update context_items set removed_by = ${digest.id}
              where context_id = ${id} and id in ${sql.in(removed)} and removed_by is null returning tokens`
            if (taken.length !== removed.length) return yield* new StaleVersion({ resource: "context", id })
            // What an earlier digest stood for is now found through this one.
            yield* sql`
              update context_items set removed_by = ${digest.id}
              where context_id = ${id} and removed_by in ${sql.in(removed)}`
            yield* insertItems(tenantId, id, [digest])
            const tokens = taken.reduce((total, item) => total + item.tokens, 0) - digest.tokens
            return yield* one(
              id,
              sql`
                update contexts set
                  item_count = item_count - ${taken.length - 1},
                  token_count = token_count - ${tokens},
                  version = version + 1,
                  updated_at = ${DateTime.toDateUtc(digest.createdAt)}
                where id = ${id} returning *`
            )
          })
        )
    })
  })
)
