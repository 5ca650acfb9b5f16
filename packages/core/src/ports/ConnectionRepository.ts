import type { Connection, OAuthProvider } from "@devops-mcp/domain/Connection"
import type { Conflict, NotFound } from "@devops-mcp/domain/Errors"
import type { ConnectionId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Context, type DateTime, type Effect, type Option } from "effect"
import type { SealedText } from "../secrets/SealedText.ts"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** A provider with the sealed secret of our registration there. */
export interface StoredProvider {
  readonly provider: OAuthProvider
  readonly clientSecret?: SealedText
}

/** Tokens as they are stored: sealed. */
export interface SealedTokens {
  readonly accessToken: SealedText
  readonly refreshToken?: SealedText
  /** When the access token ends, as far as the provider said. */
  readonly expiresAt?: DateTime.Utc
  readonly scopes: ReadonlyArray<string>
}

/** A connection with its tokens; `version` rises with every change of them. */
export interface StoredConnection {
  readonly connection: Connection
  readonly tokens: SealedTokens
  readonly version: number
}

/**
 * Providers of a tenant and the connections to them. One owner has one connection to a provider, and the tenant has
 * one; a caller reaches its own and the tenant's, and nobody else's.
 */
export class ConnectionRepository extends Context.Service<
  ConnectionRepository,
  {
    readonly createProvider: (
      tenantId: TenantId,
      stored: StoredProvider
    ) => Effect.Effect<OAuthProvider, Conflict | StoreError>
    readonly getProvider: (tenantId: TenantId, name: string) => Effect.Effect<StoredProvider, NotFound | StoreError>
    readonly listProviders: (
      tenantId: TenantId,
      page: PageRequest
    ) => Effect.Effect<Page<OAuthProvider>, CursorError | StoreError>
    /** With all connections to it. */
    readonly deleteProvider: (tenantId: TenantId, name: string) => Effect.Effect<void, NotFound | StoreError>
    /** Takes the place of the connection that its owner, or the tenant, already has; answers the one that stays. */
    readonly put: (
      owner: Principal,
      connection: Connection,
      tokens: SealedTokens
    ) => Effect.Effect<Connection, NotFound | StoreError>
    /** The caller's own connection, else the tenant's. */
    readonly find: (caller: Principal, provider: string) => Effect.Effect<Option.Option<StoredConnection>, StoreError>
    readonly get: (caller: Principal, id: ConnectionId) => Effect.Effect<StoredConnection, NotFound | StoreError>
    readonly list: (caller: Principal, page: PageRequest) => Effect.Effect<Page<Connection>, CursorError | StoreError>
    /** False when the tokens have changed since this version, or the connection is gone. */
    readonly renew: (
      caller: Principal,
      id: ConnectionId,
      version: number,
      tokens: SealedTokens,
      now: DateTime.Utc
    ) => Effect.Effect<boolean, StoreError>
    /** The same for a connection whose tokens are of no use any more. */
    readonly expire: (
      caller: Principal,
      id: ConnectionId,
      version: number,
      now: DateTime.Utc
    ) => Effect.Effect<boolean, StoreError>
    readonly delete: (caller: Principal, id: ConnectionId) => Effect.Effect<void, NotFound | StoreError>
  }
>()("@devops-mcp/core/ports/ConnectionRepository") {}
