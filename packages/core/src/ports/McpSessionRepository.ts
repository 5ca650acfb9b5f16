import type { NotFound } from "@devops-mcp/domain/Errors"
import { McpSessionId, type TenantId } from "@devops-mcp/domain/Ids"
import { Context, type DateTime, type Effect, Schema } from "effect"
import type { StoreError } from "./StoreError.ts"

/** What every replica must know of a session to continue it. */
export const McpSession = Schema.Struct({
  id: McpSessionId,
  /** Whose it is within the tenant: kind and name of the credential. */
  owner: Schema.String,
  /** The params of the client's `initialize`, to be said again to a fresh server. */
  initialize: Schema.JsonObject,
  /** The revision that was agreed upon. */
  protocolVersion: Schema.String,
  logLevel: Schema.optionalKey(Schema.String),
  /** URIs that the client subscribed to. */
  subscriptions: Schema.Array(Schema.String),
  createdAt: Schema.DateTimeUtcFromString,
  expiresAt: Schema.DateTimeUtcFromString
})
export type McpSession = typeof McpSession.Type

/** A session begins without subscriptions. */
export type NewMcpSession = Omit<McpSession, "subscriptions">

/** One event of a stream; without a message it is the mark of the stream's begin or, when `last`, of its end. */
export const McpEvent = Schema.Struct({
  streamId: Schema.String,
  seq: Schema.Int,
  /** JSON as it goes to the client. */
  message: Schema.optionalKey(Schema.String),
  last: Schema.Boolean
})
export type McpEvent = typeof McpEvent.Type

/** Sessions of the 2025 revisions and the events their streams can be resumed from. Events go with their session. */
export class McpSessionRepository extends Context.Service<
  McpSessionRepository,
  {
    /** Of the owner's sessions only `limit` stay; those that would expire first make room. */
    readonly create: (tenantId: TenantId, session: NewMcpSession, limit: number) => Effect.Effect<void, StoreError>
    /** One that has expired by `now` is not found. */
    readonly get: (
      tenantId: TenantId,
      id: McpSessionId,
      now: DateTime.Utc
    ) => Effect.Effect<McpSession, NotFound | StoreError>
    /** Never brings the end nearer. */
    readonly extend: (tenantId: TenantId, id: McpSessionId, expiresAt: DateTime.Utc) => Effect.Effect<void, StoreError>
    readonly setLogLevel: (tenantId: TenantId, id: McpSessionId, level: string) => Effect.Effect<void, StoreError>
    /** False when there would be more than `limit`; subscribing twice is once. */
    readonly subscribe: (
      tenantId: TenantId,
      id: McpSessionId,
      uri: string,
      limit: number
    ) => Effect.Effect<boolean, StoreError>
    readonly unsubscribe: (tenantId: TenantId, id: McpSessionId, uri: string) => Effect.Effect<void, StoreError>
    readonly end: (tenantId: TenantId, id: McpSessionId) => Effect.Effect<void, StoreError>
    /** Storing an event again changes nothing; events of a session that has ended are dropped. */
    readonly append: (
      tenantId: TenantId,
      id: McpSessionId,
      events: ReadonlyArray<McpEvent>,
      expiresAt: DateTime.Utc
    ) => Effect.Effect<void, StoreError>
    /** Events of one stream in their order, from `seq` on. */
    readonly events: (
      tenantId: TenantId,
      id: McpSessionId,
      from: { readonly streamId: string; readonly seq: number },
      limit: number
    ) => Effect.Effect<ReadonlyArray<McpEvent>, StoreError>
    /** Keeps the session's newest events, as many as both limits allow. */
    readonly prune: (
      tenantId: TenantId,
      id: McpSessionId,
      keep: { readonly events: number; readonly bytes: number }
    ) => Effect.Effect<void, StoreError>
    /** Removes sessions and events of all tenants whose time is over; how many sessions. */
    readonly sweep: (now: DateTime.Utc) => Effect.Effect<number, StoreError>
  }
>()("@devops-mcp/core/ports/McpSessionRepository") {}
