import { ConnectionRepository, type SealedTokens } from "@devops-mcp/core/ports/ConnectionRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { Connection, OAuthProvider } from "@devops-mcp/domain/Connection"
import { Conflict } from "@devops-mcp/domain/Errors"
import { Timestamp } from "@devops-mcp/domain/Fields"
import type { ConnectionId, TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import type { SqlError } from "effect/sql"
import { decodeRows, storable, toJsonb, toRow } from "../Rows.ts"
import { makeTable } from "./Tables.ts"

const ProviderRow = Schema.Struct({ ...OAuthProvider.fields, sealedClientSecret: Schema.optionalKey(SealedText) })

const ConnectionRow = Schema.Struct({
  ...Connection.fields,
  sealedAccessToken: SealedText,
  sealedRefreshToken: Schema.optionalKey(SealedText),
  expiresAt: Schema.optionalKey(Timestamp),
  version: Schema.Int
})

/** The tenant's own connection belongs to nobody in it. */
const tenantItself = ""

const ownerOf = ({ actor, credential }: Principal) => storable(`${credential}:${actor}`)

const storedOf = (row: typeof ConnectionRow.Type) => {
  const { expiresAt, sealedAccessToken, sealedRefreshToken, version, ...connection } = row
  const tokens: SealedTokens = {
    accessToken: sealedAccessToken,
    ...(sealedRefreshToken === undefined ? {} : { refreshToken: sealedRefreshToken }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    scopes: connection.scopes
  }
  return { connection, tokens, version }
}

const tokenColumns = ({ accessToken, expiresAt, refreshToken, scopes }: SealedTokens) => ({
  sealedAccessToken: accessToken,
  sealedRefreshToken: refreshToken ?? null,
  expiresAt: expiresAt === undefined ? null : DateTime.toDateUtc(expiresAt),
  scopes: toJsonb(scopes)
})

export const ConnectionRepositoryLive = Layer.effect(
  ConnectionRepository,
  Effect.gen(function* () {
    const providers = yield* makeTable({
      table: "oauth_providers",
      resource: "OAuth provider",
      schema: OAuthProvider,
      key: "name"
    })
    const connections = yield* makeTable({
      table: "connections",
      resource: "connection",
      schema: Connection,
      key: "id"
    })
    const { missing, run, sql } = connections
    const providerRow = toRow(OAuthProvider)
    const decodeProvider = decodeRows(ProviderRow)
    const decodeStored = decodeRows(ConnectionRow)

    const reachable = (caller: Principal) => sql`owner in (${ownerOf(caller)}, ${tenantItself})`
    const one = (caller: Principal, id: ConnectionId) => sql`id = ${id} and ${reachable(caller)}`

    const changed = (
      tenantId: TenantId,
      method: string,
      statement: Effect.Effect<ReadonlyArray<object>, SqlError.SqlError>
    ) =>
      run(
        tenantId,
        method,
        Effect.map(statement, (rows) => rows.length > 0)
      )

    return ConnectionRepository.of({
      createProvider: (tenantId, { clientSecret, provider }) =>
        providers.run(
          tenantId,
          "create",
          Effect.gen(function* () {
            const row = yield* providerRow(provider)
            const inserted = yield* sql`
              insert into oauth_providers ${sql.insert({ ...row, tenantId, sealedClientSecret: clientSecret ?? null })}
              on conflict (tenant_id, name) do nothing returning id`
            if (inserted.length > 0) return provider
            return yield* new Conflict({ detail: `There is an OAuth provider named '${provider.name}'` })
          })
        ),
      getProvider: (tenantId, name) =>
        providers.run(
          tenantId,
          "get",
          Effect.gen(function* () {
            const [row] = yield* decodeProvider(
              yield* sql`select * from oauth_providers where name = ${storable(name)}`
            )
            if (row === undefined) return yield* providers.missing(name)
            const { sealedClientSecret, ...provider } = row
            return { provider, ...(sealedClientSecret === undefined ? {} : { clientSecret: sealedClientSecret }) }
          })
        ),
      listProviders: providers.list,
      deleteProvider: providers.remove,
      put: (owner, connection, tokens) =>
        run(
          owner.tenantId,
          "put",
          Effect.gen(function* () {
            // Locked, so that it is not deleted before this is written.
            const provider = yield* sql`
              select 1 from oauth_providers where name = ${connection.provider} for key share`
            if (provider.length === 0) return yield* providers.missing(connection.provider)
            const row = {
              id: connection.id,
              tenantId: owner.tenantId,
              provider: connection.provider,
              owner: connection.shared ? tenantItself : ownerOf(owner),
              shared: connection.shared,
              status: connection.status,
              version: 1,
              createdAt: DateTime.toDateUtc(connection.createdAt),
              updatedAt: DateTime.toDateUtc(connection.updatedAt),
              ...tokenColumns(tokens)
            }
            const rows = yield* sql`
              insert into connections as c ${sql.insert(row)}
              on conflict (tenant_id, provider, owner) do update set
                status = excluded.status,
                version = c.version + 1,
                updated_at = excluded.updated_at,
                sealed_access_token = excluded.sealed_access_token,
                sealed_refresh_token = excluded.sealed_refresh_token,
                expires_at = excluded.expires_at,
                scopes = excluded.scopes
              returning *`
            const [stored] = yield* decodeStored(rows)
            return stored === undefined ? connection : storedOf(stored).connection
          })
        ),
      find: (caller, provider) =>
        run(
          caller.tenantId,
          "find",
          Effect.gen(function* () {
            const rows = yield* sql`
              select * from connections where provider = ${storable(provider)} and ${reachable(caller)}
              order by shared limit 1`
            const [row] = yield* decodeStored(rows)
            return row === undefined ? Option.none() : Option.some(storedOf(row))
          })
        ),
      get: (caller, id) =>
        run(
          caller.tenantId,
          "get",
          Effect.gen(function* () {
            const [row] = yield* decodeStored(yield* sql`select * from connections where ${one(caller, id)}`)
            return row === undefined ? yield* missing(id) : storedOf(row)
          })
        ),
      list: (caller, page) => connections.list(caller.tenantId, page, [reachable(caller)]),
      renew: (caller, id, version, tokens, now) =>
        changed(
          caller.tenantId,
          "renew",
          sql`
            update connections set ${sql.update({ ...tokenColumns(tokens), updatedAt: DateTime.toDateUtc(now) })},
              version = version + 1
            where ${one(caller, id)} and version = ${version} returning id`
        ),
      expire: (caller, id, version, now) =>
        changed(
          caller.tenantId,
          "expire",
          sql`
            update connections set
              status = 'expired', version = version + 1, updated_at = ${DateTime.toDateUtc(now)}
            where ${one(caller, id)} and version = ${version} returning id`
        ),
      delete: (caller, id) =>
        run(
          caller.tenantId,
          "delete",
          Effect.gen(function* () {
            const rows = yield* sql`delete from connections where ${one(caller, id)} returning id`
            if (rows.length === 0) return yield* missing(id)
          })
        )
    })
  })
)
