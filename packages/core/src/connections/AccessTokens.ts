import type { Principal } from "@devops-mcp/domain/Principal"
import {
  connectionRefreshLeeway,
  connectionRefreshLock,
  connectionRefreshWaiting,
  connectionStoreRetry
} from "@devops-mcp/resilience/Policies"
import { Data, DateTime, Effect, Option, Schema } from "effect"
import { Cache } from "../ports/Cache.ts"
import { ConnectionRepository, type StoredConnection } from "../ports/ConnectionRepository.ts"
import { OAuthClient, OAuthFailure } from "../ports/OAuthClient.ts"
import { OAuthProviders } from "./OAuthProviders.ts"
import { makeTokens } from "./Tokens.ts"

/** There is no account to use, or no more; the message says what to do. */
export class NotConnected extends Schema.TaggedError<NotConnected>()(
  "@devops-mcp/core/connections/AccessTokens/NotConnected",
  { provider: Schema.String, status: Schema.Literals(["absent", "expired", "shared_expired"]) }
) {
  override get message() {
    const how = `POST /api/v1/connections {"provider": "${this.provider}"} and open its authorizationUrl`
    if (this.status === "absent") return `No account of '${this.provider}' is connected: ${how}`
    if (this.status === "expired") return `The connection to '${this.provider}' has ended, connect again: ${how}`
    return `The tenant's connection to '${this.provider}' has ended: connect your own account, or an administrator connects again with "shared": true. ${how}`
  }
}

/** Somebody else is changing the connection: what it is now is to be read again. */
class Changing extends Data.TaggedError("Changing") {}

const ended = ({ connection: { provider, shared } }: StoredConnection) =>
  new NotConnected({ provider, status: shared ? "shared_expired" : "expired" })

/**
 * Access tokens that are good for a while. Of any number of callers on any replicas one refreshes; the others take the
 * old token as long as it works and else wait for the new one. Refresh tokens rotate, so one that was sent is never
 * sent again, and what came back is stored even when the caller has gone.
 */
export const makeAccessTokens = Effect.gen(function* () {
  const repository = yield* ConnectionRepository
  const providers = yield* OAuthProviders
  const client = yield* OAuthClient
  const cache = yield* Cache
  const tokens = yield* makeTokens

  const expire = Effect.fnUntraced(function* (caller: Principal, stored: StoredConnection) {
    const { connection, version } = stored
    const expired = yield* repository.expire(caller, connection.id, version, yield* DateTime.now)
    return yield* expired ? ended(stored) : new Changing()
  })

  const refresh = Effect.fnUntraced(function* (caller: Principal, stored: StoredConnection, refreshToken: string) {
    const { connection, version } = stored
    const registration = yield* providers.registration(caller.tenantId, connection.provider)
    const old = yield* tokens.open("refresh", caller, connection, refreshToken)
    const set = yield* client.refresh(registration, old).pipe(
      Effect.catchIf(
        ({ code }) => code === "invalid_grant",
        () => expire(caller, stored)
      )
    )
    const sealed = yield* tokens.seal(caller, connection, set, stored.tokens)
    const renewed = yield* repository
      .renew(caller, connection.id, version, sealed, yield* DateTime.now)
      .pipe(Effect.retry(connectionStoreRetry))
    return renewed ? set.accessToken : yield* new Changing()
  }, Effect.uninterruptible)

  /** One refresh of these tokens at a time. */
  const refreshAlone = Effect.fnUntraced(function* (caller: Principal, stored: StoredConnection, refreshToken: string) {
    const lock = `connection-refresh:${stored.connection.id}:${stored.version}`
    const first = yield* cache.setIfAbsent(lock, "refreshing", connectionRefreshLock)
    if (!first) return yield* new Changing()
    return yield* refresh(caller, stored, refreshToken).pipe(Effect.onError(() => Effect.ignore(cache.delete(lock))))
  })

  const current = Effect.fnUntraced(function* (caller: Principal, provider: string) {
    const found = yield* repository.find(caller, provider)
    if (Option.isNone(found)) return yield* new NotConnected({ provider, status: "absent" })
    const stored = found.value
    if (stored.connection.status === "expired") return yield* ended(stored)
    const { expiresAt, refreshToken } = stored.tokens
    const now = yield* DateTime.now
    const access = tokens.open("access", caller, stored.connection, stored.tokens.accessToken)
    const isGoodAt = (time: DateTime.Utc) => expiresAt === undefined || DateTime.isLessThan(time, expiresAt)
    if (isGoodAt(DateTime.addDuration(now, connectionRefreshLeeway))) return yield* access
    if (refreshToken === undefined) return yield* isGoodAt(now) ? access : expire(caller, stored)
    const refreshed = refreshAlone(caller, stored, refreshToken)
    if (!isGoodAt(now)) return yield* refreshed
    return yield* refreshed.pipe(
      Effect.catchTag("Changing", () => access),
      Effect.catchTag(
        ["@devops-mcp/core/ports/OAuthClient/OAuthFailure", "@devops-mcp/core/ports/Cache/CacheError"],
        (error) => Effect.andThen(Effect.logWarning("A connection could not be refreshed", error), access)
      )
    )
  })

  return Effect.fn("Connections.accessToken")(function* (caller: Principal, provider: string) {
    return yield* current(caller, provider).pipe(
      Effect.retry({ schedule: connectionRefreshWaiting, while: ({ _tag }) => _tag === "Changing" }),
      Effect.catchTag("Changing", () =>
        Effect.fail(
          new OAuthFailure({
            operation: "refresh",
            reason: "unreachable",
            detail: `The connection to '${provider}' is being refreshed and this takes too long; try again later`
          })
        )
      )
    )
  })
})
