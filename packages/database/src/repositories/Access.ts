import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { IdempotencyRepository } from "@devops-mcp/core/ports/IdempotencyRepository"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { ApiKey } from "@devops-mcp/domain/ApiKey"
import { NotFound } from "@devops-mcp/domain/Errors"
import { TenantId } from "@devops-mcp/domain/Ids"
import { Tenant } from "@devops-mcp/domain/Tenant"
import { apiKeyUseInterval } from "@devops-mcp/resilience/Policies"
import { DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { cursorsOf, uuidKey } from "../Cursors.ts"
import { decodeRows, storable, toRow } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"
import { makeTable } from "./Tables.ts"

/** Scopes are a column of text and not of JSON. */
const scopesColumn = ({ scopes }: ApiKey) => (scopes === undefined ? {} : { scopes: [...scopes] })

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
    const decodeStored = decodeRows(
      Schema.Struct({
        ...ApiKey.fields,
        tenantId: TenantId,
        lookupId: Schema.String,
        scheme: Schema.Literals(["sha256", "hmac-sha256"]),
        hash: Schema.String
      })
    )
    const keyRow = toRow(ApiKey)

    return ApiKeyRepository.of({
      get,
      list,
      create: (tenantId, key, proof) =>
        run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = { ...(yield* keyRow(key)), ...scopesColumn(key), ...proof, tenantId }
            const inserted = yield* sql`
              insert into api_keys ${sql.insert(row)} on conflict (lookup_id) do nothing returning id`
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
      find: (lookupIds) =>
        tenancy.system(
          "api_keys.find",
          Effect.gen(function* () {
            const rows = yield* decodeStored(yield* sql`select * from api_keys where ${sql.in("lookup_id", lookupIds)}`)
            return rows.map(({ hash, lookupId, scheme, tenantId, ...key }) => ({
              tenantId,
              key,
              proof: { hash, lookupId, scheme }
            }))
          })
        ),
      markUsed: (tenantId, id, at) =>
        run(
          tenantId,
          "markUsed",
          Effect.asVoid(sql`
            update api_keys set last_used_at = ${DateTime.toDateUtc(at)}
            where id = ${id} and (
              last_used_at is null
              or last_used_at <= ${DateTime.toDateUtc(DateTime.subtractDuration(at, apiKeyUseInterval))}
            )`)
        ),
      renew: ({ key, proof, tenantId }, { hash, lookupId, scheme }, prefix) =>
        run(
          tenantId,
          "renew",
          Effect.asVoid(sql`
            update api_keys set lookup_id = ${lookupId}, scheme = ${scheme}, hash = ${hash}, prefix = ${prefix}
            where id = ${key.id} and hash = ${proof.hash}`)
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
