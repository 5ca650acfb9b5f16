import { CacheLive } from "@devops-mcp/cache/CacheLive"
import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { apiClient } from "@devops-mcp/contract/ApiClient"
import { Unprocessable } from "@devops-mcp/contract/Problems"
import { ApiKeys, type KeyGrant } from "@devops-mcp/core/access/ApiKeys"
import { Revocations } from "@devops-mcp/core/access/Revocations"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { DatabaseLive } from "@devops-mcp/database/Database"
import type { ApiKey } from "@devops-mcp/domain/ApiKey"
import { InvalidInput } from "@devops-mcp/domain/Errors"
import type { ApiKeyId } from "@devops-mcp/domain/Ids"
import type { Page } from "@devops-mcp/domain/Page"
import { SigningKeyLive } from "@devops-mcp/infrastructure/SigningKey"
import { Health } from "@devops-mcp/observability/Health"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Console, DateTime, type Duration, Effect, Layer, Option, Redacted, Stream } from "effect"
import { CommandFailed } from "../Failure.ts"
import { embeddedInstance } from "../Instance.ts"
import { printable, printTable } from "../Table.ts"

/** What the command line says of a new key. */
export interface NewKey extends Pick<KeyGrant, "name" | "role"> {
  readonly scopes: Option.Option<NonNullable<KeyGrant["scopes"]>>
  readonly expires: Option.Option<DateTime.Utc | Duration.Duration>
}

/** The keys of the first tenant, wherever this process can get at them. */
interface Keyring {
  readonly create: (grant: KeyGrant) => Effect.Effect<string, CommandFailed>
  readonly page: (cursor: string | undefined) => Effect.Effect<Page<ApiKey>, CommandFailed>
  readonly revoke: (id: ApiKeyId) => Effect.Effect<void, CommandFailed>
}

/** What was asked for and cannot be given is the caller's mistake, whoever says so. */
const orFail = Effect.mapError((error: { readonly message: string }) => {
  const isMistake = error instanceof InvalidInput || error instanceof Unprocessable
  return new CommandFailed({ message: error.message, exitCode: isMistake ? 2 : 1 })
})

const pageSize = 200

const pageOf = (cursor: string | undefined) => ({ limit: pageSize, ...(cursor === undefined ? {} : { cursor }) })

const overHttp = Effect.fnUntraced(function* (url: string, credential: Redacted.Redacted) {
  const { apiKeys } = yield* apiClient(url, credential)
  const keyring: Keyring = {
    create: (payload) => orFail(Effect.map(apiKeys.create({ payload }), ({ key }) => key)),
    page: (cursor) => orFail(apiKeys.list({ query: pageOf(cursor) })),
    revoke: (id) => orFail(apiKeys.revoke({ params: { id } }))
  }
  return keyring
})

const inDatabase = Effect.gen(function* () {
  const keys = yield* ApiKeys
  const repository = yield* ApiKeyRepository
  const keyring: Keyring = {
    create: (grant) => orFail(Effect.map(keys.issue(grant), ({ secret }) => Redacted.value(secret))),
    page: (cursor) => orFail(Effect.flatMap(keys.firstTenant, ({ id }) => repository.list(id, pageOf(cursor)))),
    revoke: (id) => orFail(Effect.flatMap(keys.firstTenant, (tenant) => keys.revoke(tenant.id, id)))
  }
  return keyring
})

/** Who takes a key back does it without the bus too: the replicas then notice a second later. */
const BusLive = CacheLive.pipe(
  Layer.catchTag("@devops-mcp/cache/RedisConnection/RedisUnavailable", (error) =>
    Layer.merge(BusMemory.layer, Layer.effectDiscard(Effect.logWarning(error.message)))
  )
)

const LocalLive = ApiKeys.layer.pipe(
  Layer.provide(Revocations.layer),
  Layer.provide([BusLive, SigningKeyLive]),
  Layer.provideMerge(DatabaseLive({ migrations: "run" })),
  Layer.provide([Health.layer, NodeCrypto.layer])
)

const withKeyring = Effect.fnUntraced(function* <A>(use: (keyring: Keyring) => Effect.Effect<A, CommandFailed>) {
  const instance = yield* embeddedInstance
  return yield* Option.isSome(instance)
    ? Effect.flatMap(overHttp(instance.value.url, instance.value.credential), use)
    : Effect.flatMap(inDatabase, use).pipe(Effect.provide(LocalLive))
})

/** Makes a key and prints it, this once. */
export const create = Effect.fnUntraced(function* ({ expires, name, role, scopes }: NewKey) {
  const now = yield* DateTime.now
  const expiresAt = Option.map(expires, (when) => (DateTime.isDateTime(when) ? when : DateTime.addDuration(now, when)))
  if (Option.isSome(expiresAt) && DateTime.isLessThanOrEqualTo(expiresAt.value, now)) {
    return yield* new CommandFailed({ message: "--expires is in the past", exitCode: 2 })
  }
  const grant = {
    name,
    role,
    ...(Option.isSome(scopes) ? { scopes: scopes.value } : {}),
    ...(Option.isSome(expiresAt) ? { expiresAt: expiresAt.value } : {})
  }
  yield* Console.log(yield* withKeyring((keyring) => keyring.create(grant)))
})

const columns = ["ID", "KEY", "ROLE", "STATE", "CREATED", "LAST USED", "NAME"]

const dateOf = (time: DateTime.Utc | undefined) => (time === undefined ? "never" : DateTime.formatIsoDateUtc(time))

const stateOf = ({ expiresAt, revokedAt }: ApiKey, now: DateTime.Utc) => {
  if (revokedAt !== undefined) return `revoked ${dateOf(revokedAt)}`
  if (expiresAt === undefined) return "active"
  return `${DateTime.isLessThan(now, expiresAt) ? "until" : "expired"} ${dateOf(expiresAt)}`
}

const rowOf = (key: ApiKey, now: DateTime.Utc) => [
  key.id,
  key.prefix === undefined ? "dmk_…" : `${key.prefix}…`,
  key.scopes === undefined ? key.role : `${key.role}: ${key.scopes.join(" ")}`,
  stateOf(key, now),
  dateOf(key.createdAt),
  dateOf(key.lastUsedAt),
  printable(key.name)
]

/** Prints the keys, newest first, revoked and expired ones too. */
export const list = Effect.gen(function* () {
  const keys = yield* withKeyring((keyring) =>
    Stream.runCollect(
      Stream.paginate<string | undefined, ApiKey, CommandFailed>(undefined, (cursor) =>
        Effect.map(keyring.page(cursor), ({ items, nextCursor }) => [items, Option.fromNullOr(nextCursor)] as const)
      )
    )
  )
  const now = yield* DateTime.now
  yield* printTable(
    columns,
    keys.map((key) => rowOf(key, now))
  )
})

/** Takes a key back. */
export const revoke = Effect.fnUntraced(function* (id: ApiKeyId) {
  yield* withKeyring((keyring) => keyring.revoke(id))
  yield* Console.log(`Revoked ${id}`)
})
