import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { type AppendLinks, AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { ConnectionRepository } from "@devops-mcp/core/ports/ConnectionRepository"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { IdempotencyRepository } from "@devops-mcp/core/ports/IdempotencyRepository"
import { McpSessionRepository } from "@devops-mcp/core/ports/McpSessionRepository"
import { RequestReplayRepository } from "@devops-mcp/core/ports/RequestReplayRepository"
import { SearchIndex } from "@devops-mcp/core/ports/SearchIndex"
import { TaskRepository } from "@devops-mcp/core/ports/TaskRepository"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import {
  ApiKeyId,
  AuditId,
  ChunkId,
  ConnectionId,
  ContextId,
  ContextItemId,
  DeadLetterId,
  DeliveryId,
  DocumentId,
  EventId,
  McpSessionId,
  OAuthProviderId,
  TaskId,
  type TenantId,
  ToolId,
  WebhookId
} from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { acceptOne, anySealedText, freshId } from "@devops-mcp/testing/Fixtures"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { partitionNames, tenantTableNames } from "./Catalogue.ts"

export const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")
export const later = DateTime.add(now, { minutes: 1 })
export const expiresAt = DateTime.add(now, { hours: 1 })

/** What the owner's session has subscribed to. */
export const subscribed = "event://one"

/** One of everything, all with ids and names of its own. */
export const makeRows = () => ({
  context: { id: freshId(ContextId), name: "c", maxTokens: 9, metadata: {}, createdAt: now },
  item: {
    id: freshId(ContextItemId),
    role: "user" as const,
    content: "secret",
    tokens: 1,
    pinned: false,
    metadata: {},
    createdAt: now
  },
  document: {
    id: freshId(DocumentId),
    title: "d",
    text: "t",
    metadata: {},
    status: "pending" as const,
    createdAt: now
  },
  webhook: { id: freshId(WebhookId), source: "github" as const, name: "w", createdAt: now },
  event: {
    id: freshId(EventId),
    source: "github" as const,
    type: "push",
    title: "t",
    summary: "s",
    occurredAt: now,
    receivedAt: now,
    deliveryId: freshId(DeliveryId),
    status: "received" as const
  },
  key: { id: freshId(ApiKeyId), name: "k", role: "agent" as const, createdAt: now },
  proof: { lookupId: crypto.randomUUID(), scheme: "sha256" as const, hash: crypto.randomUUID() },
  tool: { id: freshId(ToolId), name: "git", kind: "git", config: {}, version: 1, createdAt: now, updatedAt: now },
  task: { id: freshId(TaskId), kind: "k", status: "working" as const, createdAt: now, updatedAt: now, expiresAt },
  session: {
    id: freshId(McpSessionId),
    owner: "jwt:ada",
    initialize: {},
    protocolVersion: "2025-11-25",
    createdAt: now,
    expiresAt
  },
  entry: {
    id: freshId(AuditId),
    actor: "a",
    action: "x",
    credential: "api_key" as const,
    changes: true,
    outcome: "ok" as const,
    requestId: "r",
    durationMs: 1,
    occurredAt: now
  },
  deliveryId: freshId(DeliveryId),
  provider: {
    id: freshId(OAuthProviderId),
    name: "github",
    authorizationEndpoint: "https://auth.example.com/authorize",
    tokenEndpoint: "https://auth.example.com/token",
    clientAuthentication: "none" as const,
    issRequired: false,
    clientId: "us",
    scopes: [],
    allowPrivateNetwork: false,
    createdAt: now
  },
  connection: {
    id: freshId(ConnectionId),
    provider: "github",
    shared: false,
    status: "connected" as const,
    scopes: [],
    createdAt: now,
    updatedAt: now
  },
  letter: {
    id: freshId(DeadLetterId),
    queue: "deliveries",
    jobId: "job",
    type: "IngestDelivery",
    error: "secret",
    attempts: 8,
    redrives: 0,
    payload: { secret: true },
    failedAt: now
  },
  fence: crypto.randomUUID(),
  chunk: {
    id: freshId(ChunkId),
    kind: "document" as const,
    refId: freshId(DocumentId),
    position: 0,
    text: "secret",
    metadata: {},
    embedding: [1]
  }
})

export type Rows = ReturnType<typeof makeRows>

export const deliveryOf = (rows: Rows, id: DeliveryId) => ({
  id,
  webhookId: rows.webhook.id,
  source: "github" as const,
  externalId: "e",
  eventType: "push",
  payload: { secret: true },
  receivedAt: now
})

/** The same actor in whichever tenant, so that only the tenant tells apart what it owns. */
export const ownerIn = (tenantId: TenantId): Principal => ({
  tenantId,
  credential: "jwt",
  actor: "ada",
  name: "Ada",
  role: "viewer",
  scopes: []
})

const nowText = DateTime.formatIso(now)

/** Rows without true hashes: nobody checks them here. */
const unchained: AppendLinks = (tenantId, head, entries) => {
  const made = { tenantId, recordedAt: nowText, occurredAt: nowText, prevHash: head.hash, hash: head.hash }
  const lines = entries.map((entry, index) => ({ ...entry, ...made, seq: head.seq + index + 1 }))
  return Effect.succeed({ lines, head: { ...head, seq: head.seq + lines.length, recordedAt: nowText } })
}

/** Tokens of a connection. */
export const tokens = { accessToken: anySealedText, scopes: [] }

/** The same caller's request in whichever tenant. */
export const claimIn = (tenantId: TenantId, fence: string) => ({ tenantId, owner: "jwt:ada", key: "one", fence })

export const request = { fingerprint: "f", now, leasedUntil: later, expiresAt }

/**
 * Gives the tenant a row in every table. The task is at its first run, the webhook's secret is plain as that of an
 * earlier version.
 */
export const fill = Effect.fnUntraced(function* (tenant: TenantId, rows: Rows) {
  const contexts = yield* ContextRepository
  const webhooks = yield* WebhookRepository
  const sessions = yield* McpSessionRepository
  const tasks = yield* TaskRepository
  const connections = yield* ConnectionRepository
  const sql = yield* SqlClient.SqlClient
  yield* contexts.create(tenant, rows.context)
  yield* contexts.append(tenant, rows.context.id, [rows.item])
  yield* (yield* DocumentRepository).create(tenant, rows.document)
  yield* webhooks.create(tenant, rows.webhook, anySealedText)
  yield* sql`update webhooks set secret = 'hush', sealed_secret = null where id = ${rows.webhook.id}`
  yield* webhooks.noteObject(tenant, rows.deliveryId, now)
  yield* acceptOne(tenant, deliveryOf(rows, rows.deliveryId))
  yield* (yield* EventRepository).upsert(tenant, rows.event)
  yield* (yield* ApiKeyRepository).create(tenant, rows.key, rows.proof)
  yield* (yield* ToolRepository).create(tenant, rows.tool, anySealedText)
  yield* tasks.create(ownerIn(tenant), rows.task, { secret: true }, 100)
  yield* tasks.take(tenant, rows.task.id, now)
  yield* sessions.create(tenant, rows.session, 10)
  yield* sessions.subscribe(tenant, rows.session.id, subscribed, 10)
  yield* sessions.append(tenant, rows.session.id, [{ streamId: "s", seq: 0, message: "{}", last: false }], expiresAt)
  yield* connections.createProvider(tenant, { provider: rows.provider })
  yield* connections.put(ownerIn(tenant), rows.connection, tokens)
  yield* (yield* DeadLetterRepository).put(tenant, rows.letter)
  yield* (yield* RequestReplayRepository).claim(claimIn(tenant, rows.fence), request)
  yield* (yield* AuditRepository).append([{ tenantId: tenant, entry: rows.entry }], unchained)
  yield* (yield* IdempotencyRepository).claim(tenant, "job", now)
  yield* (yield* SearchIndex).put(tenant, "m", [rows.chunk])
})

/** Everything that a tenant has, as the server itself sees it. */
export const snapshot = Effect.fnUntraced(function* (tenant: TenantId) {
  const sql = yield* SqlClient.SqlClient
  const partitions = new Set(yield* partitionNames)
  const names = (yield* tenantTableNames).filter((name) => !partitions.has(name))
  return yield* Effect.forEach(names, (name) => {
    const column = sql(name === "tenants" ? "id" : "tenant_id")
    return Effect.map(
      sql`select t::text as row from ${sql(name)} t where ${column} = ${tenant} order by 1`,
      (rows) => ({
        name,
        rows
      })
    )
  })
})
