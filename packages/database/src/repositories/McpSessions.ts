import { McpEvent, McpSession, McpSessionRepository } from "@devops-mcp/core/ports/McpSessionRepository"
import { NotFound } from "@devops-mcp/domain/Errors"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { Array, DateTime, Effect, Layer, Struct } from "effect"
import { SqlClient } from "effect/sql"
import { decodeRows, storable, toRow } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"

export const McpSessionRepositoryLive = Layer.effect(
  McpSessionRepository,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tenancy = yield* Tenancy
    const decodeSessions = decodeRows(McpSession)
    const decodeEvents = decodeRows(McpEvent)
    const sessionRow = toRow(McpSession.mapFields(Struct.omit(["subscriptions"])))

    const run = <A, E>(tenantId: TenantId, method: string, effect: Effect.Effect<A, E>) =>
      tenancy.run(tenantId, `mcp_sessions.${method}`, effect)

    return McpSessionRepository.of({
      create: (tenantId, session, limit) =>
        run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = yield* sessionRow(session)
            yield* sql`insert into mcp_sessions ${sql.insert({ ...row, tenantId })}`
            yield* sql`
              delete from mcp_sessions where id in (
                select id from mcp_sessions where owner = ${storable(session.owner)} and id <> ${session.id}
                order by expires_at desc, id desc offset ${limit - 1}
              )`
          })
        ),
      get: (tenantId, id, now) =>
        run(
          tenantId,
          "get",
          Effect.gen(function* () {
            const rows = yield* sql`
              select * from mcp_sessions where id = ${id} and expires_at > ${DateTime.toDateUtc(now)}`
            const [session] = yield* decodeSessions(rows)
            return session ?? (yield* new NotFound({ resource: "session", id }))
          })
        ),
      extend: (tenantId, id, expiresAt) =>
        run(
          tenantId,
          "extend",
          Effect.asVoid(sql`
            update mcp_sessions set expires_at = greatest(expires_at, ${DateTime.toDateUtc(expiresAt)})
            where id = ${id}`)
        ),
      setLogLevel: (tenantId, id, level) =>
        run(
          tenantId,
          "setLogLevel",
          Effect.asVoid(sql`update mcp_sessions set log_level = ${storable(level)} where id = ${id}`)
        ),
      subscribe: (tenantId, id, uri, limit) =>
        run(
          tenantId,
          "subscribe",
          Effect.gen(function* () {
            const subscribed = yield* sql`
              update mcp_sessions
              set subscriptions = array_append(array_remove(subscriptions, ${storable(uri)}), ${storable(uri)})
              where id = ${id} and (cardinality(subscriptions) < ${limit} or ${storable(uri)} = any(subscriptions))
              returning id`
            return subscribed.length > 0
          })
        ),
      unsubscribe: (tenantId, id, uri) =>
        run(
          tenantId,
          "unsubscribe",
          Effect.asVoid(sql`
            update mcp_sessions set subscriptions = array_remove(subscriptions, ${storable(uri)}) where id = ${id}`)
        ),
      end: (tenantId, id) => run(tenantId, "end", Effect.asVoid(sql`delete from mcp_sessions where id = ${id}`)),
      append: (tenantId, id, events, expiresAt) =>
        run(
          tenantId,
          "append",
          Effect.gen(function* () {
            // The lock keeps the session from ending in between.
            const session = yield* sql`select 1 from mcp_sessions where id = ${id} for key share`
            const rows = events.map(({ message, ...event }) => ({
              ...event,
              message: message === undefined ? null : storable(message),
              tenantId,
              sessionId: id,
              expiresAt: DateTime.toDateUtc(expiresAt)
            }))
            if (session.length === 0 || !Array.isArrayNonEmpty(rows)) return
            yield* sql`insert into mcp_events ${sql.insert(rows)} on conflict do nothing`
          })
        ),
      events: (tenantId, id, from, limit) =>
        run(
          tenantId,
          "events",
          Effect.flatMap(
            sql`
              select stream_id, seq, message, last from mcp_events
              where session_id = ${id} and stream_id = ${from.streamId} and seq >= ${from.seq}
              order by seq limit ${limit}`,
            decodeEvents
          )
        ),
      prune: (tenantId, id, keep) =>
        run(
          tenantId,
          "prune",
          Effect.asVoid(sql`
            delete from mcp_events where session_id = ${id} and position <= (
              select max(position) from (
                select position,
                  row_number() over newest as events,
                  sum(coalesce(octet_length(message), 0)) over newest as bytes
                from mcp_events where session_id = ${id} window newest as (order by position desc)
              ) counted where events > ${keep.events} or bytes > ${keep.bytes}
            )`)
        ),
      sweep: (now) =>
        tenancy.system(
          "mcp_sessions.sweep",
          Effect.gen(function* () {
            const expired = DateTime.toDateUtc(now)
            yield* sql`delete from mcp_events where expires_at <= ${expired}`
            const ended = yield* sql`delete from mcp_sessions where expires_at <= ${expired} returning expires_at`
            return ended.length
          })
        )
    })
  })
)
