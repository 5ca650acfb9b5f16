import type { CreateConnection, StartedConnection } from "@devops-mcp/contract/ConnectionsApi"
import type { Connection, OAuthProvider } from "@devops-mcp/domain/Connection"
import { type Forbidden, InvalidInput, type NotFound } from "@devops-mcp/domain/Errors"
import { ConnectionId, type TenantId } from "@devops-mcp/domain/Ids"
import { Principal } from "@devops-mcp/domain/Principal"
import { Context, DateTime, Effect, Layer, Option, type Redacted, Schema } from "effect"
import { makeNewId } from "../NewId.ts"
import { authorize } from "../Policy.ts"
import type { CacheError } from "../ports/Cache.ts"
import { ConnectionRepository, type StoredConnection } from "../ports/ConnectionRepository.ts"
import { type AuthorizationAnswer, OAuthClient, type OAuthFailure } from "../ports/OAuthClient.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { TenantRepository } from "../ports/TenantRepository.ts"
import { ToolRepository } from "../ports/ToolRepository.ts"
import type { SecretUnreadable } from "../secrets/Secrets.ts"
import { makeAccessTokens, type NotConnected } from "./AccessTokens.ts"
import { makeFlows } from "./Flows.ts"
import { OAuthProviders } from "./OAuthProviders.ts"
import { makeTokens } from "./Tokens.ts"

/** Somebody came back from a provider, and no connection was made. `principal` asked for it, where that is known. */
export class ConnectionRefused extends Schema.TaggedError<ConnectionRefused>()(
  "@devops-mcp/core/connections/Connections/ConnectionRefused",
  { detail: Schema.String, principal: Schema.optionalKey(Principal) }
) {
  override get message() {
    return this.detail
  }
}

/** What somebody is asked to connect, and for whom. */
export interface PendingConnection {
  readonly principal: Principal
  /** The name of the caller's tenant. */
  readonly tenant: string
  readonly provider: OAuthProvider
  readonly shared: boolean
}

/** A connection that was made, and for whom. */
export interface CompletedConnection {
  readonly principal: Principal
  readonly connection: Connection
}

const unknownState = new ConnectionRefused({
  detail: "This request is not one of ours, has expired or was answered before. Start the connection again."
})

const changedProvider = (principal: Principal) =>
  new ConnectionRefused({ detail: "The provider was changed meanwhile. Start the connection again.", principal })

/**
 * Accounts of third-party tools, connected by OAuth 2.0. A caller uses its own connection to a provider, else the
 * tenant's. Tokens are sealed in the store and leave only through `accessToken`.
 */
export class Connections extends Context.Service<
  Connections,
  {
    readonly start: (
      principal: Principal,
      input: typeof CreateConnection.Type,
      redirectUri: string
    ) => Effect.Effect<typeof StartedConnection.Type, Forbidden | InvalidInput | NotFound | CacheError | StoreError>
    /** What the state was made for. It stays good, and nothing is changed. */
    readonly pending: (state: string) => Effect.Effect<PendingConnection, ConnectionRefused | CacheError | StoreError>
    /** The state is good no more; gives the caller whose it was. */
    readonly discard: (state: string) => Effect.Effect<Principal, ConnectionRefused | CacheError>
    /** What a browser brings back. Nobody is authenticated here: the state says who asked. */
    readonly complete: (
      answer: AuthorizationAnswer
    ) => Effect.Effect<CompletedConnection, ConnectionRefused | CacheError | StoreError>
    /** Also takes the tokens back at the provider, as far as it lets us. */
    readonly disconnect: (
      principal: Principal,
      id: ConnectionId
    ) => Effect.Effect<void, Forbidden | NotFound | StoreError>
    /** A token that is good for at least some seconds. */
    readonly accessToken: (
      principal: Principal,
      provider: string
    ) => Effect.Effect<
      Redacted.Redacted,
      NotConnected | NotFound | OAuthFailure | SecretUnreadable | CacheError | StoreError
    >
  }
>()("@devops-mcp/core/connections/Connections") {
  static readonly layer = Layer.effect(
    Connections,
    Effect.gen(function* () {
      const repository = yield* ConnectionRepository
      const tools = yield* ToolRepository
      const tenants = yield* TenantRepository
      const providers = yield* OAuthProviders
      const client = yield* OAuthClient
      const flows = yield* makeFlows
      const tokens = yield* makeTokens
      const accessToken = yield* makeAccessTokens
      const newId = yield* makeNewId

      /** The provider that is named, or that the tool's config names. */
      const providerNameOf = Effect.fnUntraced(function* (
        tenantId: TenantId,
        { provider, tool }: typeof CreateConnection.Type
      ) {
        if (tool === undefined) {
          if (provider !== undefined) return provider
          return yield* new InvalidInput({ pointer: "", detail: "Give the provider, or the tool that needs it" })
        }
        const name = (yield* tools.get(tenantId, tool)).config["oauthProvider"]
        if (typeof name === "string" && (provider ?? name) === name) return name
        const detail = provider === undefined ? "no oauthProvider" : `not the oauthProvider '${provider}'`
        return yield* new InvalidInput({ pointer: "/tool", detail: `The tool '${tool}' has ${detail} in its config` })
      })

      const start = Effect.fn("Connections.start")(function* (
        principal: Principal,
        input: typeof CreateConnection.Type,
        redirectUri: string
      ) {
        const shared = input.shared ?? false
        if (shared) yield* authorize(principal, "tools:admin")
        const name = yield* providerNameOf(principal.tenantId, input)
        const { provider } = yield* repository.getProvider(principal.tenantId, name)
        return { provider: name, ...(yield* flows.begin({ principal, provider, shared, redirectUri })) }
      })

      const pending = Effect.fn("Connections.pending")(function* (state: string) {
        const flow = yield* flows.look(state)
        if (Option.isNone(flow)) return yield* unknownState
        const { principal, provider: name, providerId, shared } = flow.value
        return yield* Effect.gen(function* () {
          const { provider } = yield* repository.getProvider(principal.tenantId, name)
          if (provider.id !== providerId) return yield* changedProvider(principal)
          const { name: tenant } = yield* tenants.get(principal.tenantId)
          return { principal, tenant, provider, shared }
        }).pipe(
          Effect.catchTag("@devops-mcp/domain/Errors/NotFound", ({ message }) =>
            Effect.fail(new ConnectionRefused({ detail: message, principal }))
          )
        )
      })

      const discard = Effect.fn("Connections.discard")(function* (state: string) {
        const flow = yield* flows.discard(state)
        return Option.isNone(flow) ? yield* unknownState : flow.value.principal
      })

      const complete = Effect.fn("Connections.complete")(function* (answer: AuthorizationAnswer) {
        const found = yield* flows.take(answer.state)
        if (Option.isNone(found)) return yield* unknownState
        const { principal, provider: name, providerId, redirectUri, shared, verifier } = found.value
        const refused = ({ message }: { readonly message: string }) =>
          new ConnectionRefused({ detail: message, principal })
        const registration = yield* providers
          .registration(principal.tenantId, name)
          .pipe(
            Effect.catchTag(
              ["@devops-mcp/domain/Errors/NotFound", "@devops-mcp/core/secrets/Secrets/SecretUnreadable"],
              (error) => Effect.fail(refused(error))
            )
          )
        if (registration.provider.id !== providerId) {
          return yield* changedProvider(principal)
        }
        const set = yield* client
          .exchange(registration, { redirectUri, state: answer.state, verifier }, answer)
          .pipe(Effect.mapError(refused))
        const sealed = yield* tokens.seal(principal, { provider: name, shared }, set, registration.provider)
        const now = yield* DateTime.now
        const connection = yield* repository
          .put(
            principal,
            {
              id: yield* newId(ConnectionId),
              provider: name,
              shared,
              status: "connected",
              scopes: sealed.scopes,
              createdAt: now,
              updatedAt: now
            },
            sealed
          )
          .pipe(Effect.catchTag("@devops-mcp/domain/Errors/NotFound", (error) => Effect.fail(refused(error))))
        return { principal, connection }
      })

      const revoke = Effect.fnUntraced(function* (principal: Principal, stored: StoredConnection) {
        const { connection, tokens: sealed } = stored
        const registration = yield* providers.registration(principal.tenantId, connection.provider)
        const token =
          sealed.refreshToken === undefined
            ? tokens.open("access", principal, connection, sealed.accessToken)
            : tokens.open("refresh", principal, connection, sealed.refreshToken)
        yield* client.revoke(registration, yield* token)
      })

      const disconnect = Effect.fn("Connections.disconnect")(function* (principal: Principal, id: ConnectionId) {
        const stored = yield* repository.get(principal, id)
        if (stored.connection.shared) yield* authorize(principal, "tools:admin")
        yield* repository.delete(principal, id)
        yield* revoke(principal, stored).pipe(
          Effect.catch((error) => Effect.logWarning("The tokens of a connection could not be revoked", error))
        )
      })

      return Connections.of({ start, pending, discard, complete, disconnect, accessToken })
    })
  )
}
