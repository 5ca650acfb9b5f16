import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { IdempotencyRepository } from "@devops-mcp/core/ports/IdempotencyRepository"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { ApiKey } from "@devops-mcp/domain/ApiKey"
import { AuditEntry } from "@devops-mcp/domain/Audit"
import { NotFound } from "@devops-mcp/domain/Errors"
import { TenantId } from "@devops-mcp/domain/Ids"
import { Tenant } from "@devops-mcp/domain/Tenant"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { cursorsOf, uuidKey } from "../Cursors.ts"
import { decodeRows, storable, toJsonb, toRow } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"
import { makeTable } from "./Tables.ts"

export const ApiKeyRepositoryLive = Layer.effect(
  ApiKeyRepository,
  Effect.gen(function* () {
    const tenancy = yield* Tenancy
    const { get, list, missing, run, sql } = yield* makeTable({
      table: "api_keys",
      resource: "API key",
      schema: ApiKey,
      key: "id"
    })
    const decodeOwned = decodeRows(Schema.Struct({ ...ApiKey.fields, tenantId: TenantId }))
    const keyRow = toRow(ApiKey)

    return ApiKeyRepository.of({
      get,
      list,
      create: (tenantId, key, hash) =>
        run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = yield* keyRow(key)
            const inserted = yield* sql`
              insert into api_keys ${sql.insert({ ...row, tenantId, hash })} on conflict (hash) do nothing returning id`
            return inserted.length > 0
          })
        ),
      revoke: (tenantId, id, now) =>
        run(
          tenantId,
          "revoke",
          Effect.gen(function* () {
            const rows = yield* sql`
              update api_keys set revoked_at = coalesce(revoked_at, ${DateTime.toDateUtc(now)})
              where id = ${id} returning id`
            if (rows.length === 0) return yield* missing(id)
          })
        ),
      findByHash: (hash) =>
        tenancy.system(
          "api_keys.findByHash",
          Effect.gen(function* () {
            const [row] = yield* decodeOwned(yield* sql`select * from api_keys where hash = ${hash}`)
            if (row === undefined) return Option.none()
            const { tenantId, ...key } = row
            return Option.some({ tenantId, key })
          })
        )
    })
  })
)

export const TenantRepositoryLive = Layer.effect(
  TenantRepository,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tenancy = yield* Tenancy
    const decode = decodeRows(Tenant)
    const cursors = cursorsOf("tenants", uuidKey)
    const tenantRow = toRow(Tenant)

    return TenantRepository.of({
      create: (tenant) =>
        tenancy.system(
          "tenants.create",
          Effect.gen(function* () {
            yield* sql`insert into tenants ${sql.insert(yield* tenantRow(tenant))}`
            return tenant
          })
        ),
      get: (id) =>
        tenancy.system(
          "tenants.get",
          Effect.gen(function* () {
            const [tenant] = yield* decode(yield* sql`select * from tenants where id = ${id}`)
            return tenant ?? (yield* new NotFound({ resource: "tenant", id }))
          })
        ),
      list: (request) =>
        tenancy.system(
          "tenants.list",
          Effect.gen(function* () {
            const before = yield* cursors.decode(request)
            const older = before === undefined ? sql`` : sql`where id < ${before}`
            const rows = yield* sql`select * from tenants ${older} order by id desc limit ${request.limit + 1}`
            return cursors.page(yield* decode(rows), request, (tenant) => tenant.id)
          })
        ),
      first: (candidate) =>
        tenancy.system(
          "tenants.first",
          Effect.gen(function* () {
            const row = { ...(yield* tenantRow(candidate)), isFirst: true }
            yield* sql`insert into tenants ${sql.insert(row)} on conflict do nothing`
            const [tenant] = yield* decode(yield* sql`select * from tenants where is_first`)
            return tenant ?? candidate
          })
        )
    })
  })
)

const encodeAuditRows = Schema.encodeEffect(Schema.Array(Schema.Struct({ ...AuditEntry.fields, tenantId: TenantId })))

export const AuditRepositoryLive = Layer.effect(
  AuditRepository,
  Effect.gen(function* () {
    const tenancy = yield* Tenancy
    const { decode, run, sql } = yield* makeTable({
      table: "audit_log",
      resource: "audit entry",
      schema: AuditEntry,
      key: "id"
    })

    return AuditRepository.of({
      append: (entries) =>
        tenancy.system(
          "audit_log.append",
          Effect.gen(function* () {
            if (entries.length === 0) return
            // One parameter for all rows: a parameter each costs more than the rest of the insert.
            const rows = entries.map(({ entry, tenantId }) => ({ ...entry, tenantId }))
            const encoded = toJsonb(yield* Effect.orDie(encodeAuditRows(rows)))
            yield* sql`
              insert into audit_log (
                id, tenant_id, actor, action, target, outcome, request_id, duration_ms, occurred_at
              )
              select id, "tenantId", actor, action, target, outcome, "requestId", "durationMs", "occurredAt"
              from jsonb_to_recordset(${encoded}) as r (
                id uuid, "tenantId" uuid, actor text, action text, target text, outcome text, "requestId" text,
                "durationMs" double precision, "occurredAt" timestamptz
              )`
          })
        ),
      list: (tenantId, limit) =>
        run(tenantId, "list", Effect.flatMap(sql`select * from audit_log order by id desc limit ${limit}`, decode))
    })
  })
)

export const IdempotencyRepositoryLive = Layer.effect(
  IdempotencyRepository,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tenancy = yield* Tenancy

    return IdempotencyRepository.of({
      claim: (tenantId, key, now) =>
        tenancy.run(
          tenantId,
          "idempotency.claim",
          Effect.map(
            sql`
              insert into idempotency (tenant_id, key, claimed_at)
              values (${tenantId}, ${storable(key)}, ${DateTime.toDateUtc(now)}) on conflict do nothing returning key`,
            (rows) => rows.length > 0
          )
        )
    })
  })
)
