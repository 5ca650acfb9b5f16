import { Schema } from "effect"

const uuid = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, {
    message: "Expected a UUID in lower case"
  })
)

/** Ids are UUIDv7: they sort by creation time, so they double as keyset cursors. */
export const TenantId = uuid.pipe(Schema.brand("TenantId"))
export type TenantId = typeof TenantId.Type

export const ApiKeyId = uuid.pipe(Schema.brand("ApiKeyId"))
export type ApiKeyId = typeof ApiKeyId.Type

export const ContextId = uuid.pipe(Schema.brand("ContextId"))
export type ContextId = typeof ContextId.Type

export const ContextItemId = uuid.pipe(Schema.brand("ContextItemId"))
export type ContextItemId = typeof ContextItemId.Type

export const WebhookId = uuid.pipe(Schema.brand("WebhookId"))
export type WebhookId = typeof WebhookId.Type

export const DeliveryId = uuid.pipe(Schema.brand("DeliveryId"))
export type DeliveryId = typeof DeliveryId.Type

export const EventId = uuid.pipe(Schema.brand("EventId"))
export type EventId = typeof EventId.Type

export const DocumentId = uuid.pipe(Schema.brand("DocumentId"))
export type DocumentId = typeof DocumentId.Type

export const ChunkId = uuid.pipe(Schema.brand("ChunkId"))
export type ChunkId = typeof ChunkId.Type

export const ToolId = uuid.pipe(Schema.brand("ToolId"))
export type ToolId = typeof ToolId.Type

export const AuditId = uuid.pipe(Schema.brand("AuditId"))
export type AuditId = typeof AuditId.Type

export const TaskId = uuid.pipe(Schema.brand("TaskId"))
export type TaskId = typeof TaskId.Type

export const ResultId = uuid.pipe(Schema.brand("ResultId"))
export type ResultId = typeof ResultId.Type

export const McpSessionId = uuid.pipe(Schema.brand("McpSessionId"))
export type McpSessionId = typeof McpSessionId.Type

export const OAuthProviderId = uuid.pipe(Schema.brand("OAuthProviderId"))
export type OAuthProviderId = typeof OAuthProviderId.Type

export const ConnectionId = uuid.pipe(Schema.brand("ConnectionId"))
export type ConnectionId = typeof ConnectionId.Type

export const DeadLetterId = uuid.pipe(Schema.brand("DeadLetterId"))
export type DeadLetterId = typeof DeadLetterId.Type
