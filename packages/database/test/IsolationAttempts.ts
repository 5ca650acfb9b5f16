import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { ConnectionRepository } from "@devops-mcp/core/ports/ConnectionRepository"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { IdempotencyRepository } from "@devops-mcp/core/ports/IdempotencyRepository"
import { McpSessionRepository } from "@devops-mcp/core/ports/McpSessionRepository"
import { RequestReplayRepository } from "@devops-mcp/core/ports/RequestReplayRepository"
import { SealedValues } from "@devops-mcp/core/ports/SealedValues"
import { SearchIndex } from "@devops-mcp/core/ports/SearchIndex"
import { TaskRepository } from "@devops-mcp/core/ports/TaskRepository"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import {
  ContextItemId,
  DeadLetterId,
  DeliveryId,
  McpSessionId,
  OAuthProviderId,
  type TenantId,
  ToolId
} from "@devops-mcp/domain/Ids"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { anySealedText, freshId, outboxJobs } from "@devops-mcp/testing/Fixtures"
import { DateTime, Effect, Option } from "effect"
import {
  claimIn,
  deliveryOf,
  expiresAt,
  later,
  now,
  ownerIn,
  request,
  type Rows,
  subscribed,
  tokens
} from "./IsolationRows.ts"

/** Methods that belong to no tenant, and why. */
export const beyondTenants: Readonly<Record<string, string>> = {
  "ApiKeyRepository.find": "tells whose a key is",
  "AuditRepository.append": "writes acts of all tenants together",
  "AuditRepository.reseal": "gives the ends of a chain other seals, as the system role",
  "AuditRepository.upkeep": "makes and drops months of all tenants",
  "DeadLetterRepository.sweep": "removes what was discarded, whoever's it is",
  "EventRepository.feedEnd": "tells a time and nothing of a row",
  "McpSessionRepository.sweep": "removes what has expired, whoever's it is",
  "RequestReplayRepository.sweep": "removes what has expired, whoever's it is",
  "RetentionRepository.dropPartitions": "drops months of all tenants",
  "RetentionRepository.forgetObjects": "is of objects without a delivery, whoever's it was",
  "RetentionRepository.makePartitions": "makes months for all tenants",
  "RetentionRepository.remove": "removes what is old, whoever's it is",
  "RetentionRepository.removeContexts": "removes what has expired, whoever's it is",
  "RetentionRepository.strayObjects": "finds objects without a delivery, whoever's it was",
  "TaskRepository.failSilent": "fails what its run has left, whoever's it is",
  "TaskRepository.sweep": "removes what has expired, whoever's it is",
  "TenantRepository.create": "is the platform's",
  "TenantRepository.first": "is the platform's",
  "TenantRepository.get": "is the platform's",
  "TenantRepository.list": "is the platform's",
  "Transactions.run": "runs the methods of others",
  "WebhookRepository.target": "tells whose a webhook is"
}

/** A method called for a tenant with the ids of rows, its own or not. */
export type Attempt = (tenant: TenantId, rows: Rows) => Effect.Effect<unknown, { readonly _tag: string }>
export type Attempts = Readonly<Record<string, Attempt>>

const page = { limit: 200 }
const none: ReadonlyArray<never> = []

/** Something found for what is true, so that it compares with lists. */
const found = (isThere: boolean) => (isThere ? [1] : none)

/** Where tools keep their credentials. */
const credentials = { table: "tools", column: "sealed_credentials" }

const otherSealedText = SealedText.make(anySealedText.replaceAll("0", "1"))

/** Before everything that a feed shows. */
const firstCursor = Buffer.from("event-feed:0.00000000-0000-0000-0000-000000000000").toString("base64url")

const first = { streamId: "s", seq: 0 }

/** Every method that takes a tenant. */
export const attempts = Effect.gen(function* () {
  const contexts = yield* ContextRepository
  const documents = yield* DocumentRepository
  const webhooks = yield* WebhookRepository
  const events = yield* EventRepository
  const keys = yield* ApiKeyRepository
  const tools = yield* ToolRepository
  const tasks = yield* TaskRepository
  const sessions = yield* McpSessionRepository
  const audit = yield* AuditRepository
  const index = yield* SearchIndex
  const idempotency = yield* IdempotencyRepository
  const connections = yield* ConnectionRepository
  const letters = yield* DeadLetterRepository
  const replays = yield* RequestReplayRepository
  const sealedValues = yield* SealedValues

  /** These name a row: others do not find it. */
  const missing: Attempts = {
    "contexts.get": (t, { context }) => contexts.get(t, context.id),
    "contexts.update": (t, { context }) => contexts.update(t, context.id, { name: "taken" }, now),
    "contexts.update of a version": (t, { context }) => contexts.update(t, context.id, { name: "taken" }, now, 2),
    "contexts.delete": (t, { context }) => contexts.delete(t, context.id),
    "contexts.append": (t, { context, item }) =>
      contexts.append(t, context.id, [{ ...item, id: freshId(ContextItemId) }]),
    "contexts.append of nothing": (t, { context }) => contexts.append(t, context.id, []),
    "contexts.listItems": (t, { context }) => contexts.listItems(t, context.id, page),
    "contexts.listItems of a digest": (t, { context, item }) =>
      contexts.listItems(t, context.id, { ...page, removedBy: item.id }),
    "contexts.allItems": (t, { context }) => contexts.allItems(t, context.id),
    "contexts.replaceWithDigest": (t, { context, item }) =>
      contexts.replaceWithDigest(t, context.id, [item.id], { ...item, id: freshId(ContextItemId), seq: 1 }),
    "documents.get": (t, { document }) => documents.get(t, document.id),
    "documents.setStatus": (t, { document }) => documents.setStatus(t, document.id, "failed"),
    "documents.delete": (t, { document }) => documents.delete(t, document.id),
    "webhooks.get": (t, { webhook }) => webhooks.get(t, webhook.id),
    "webhooks.delete": (t, { webhook }) => webhooks.delete(t, webhook.id),
    "webhooks.rotateSecret": (t, { webhook }) => webhooks.rotateSecret(t, webhook.id, anySealedText, undefined),
    "webhooks.getDelivery": (t, { deliveryId }) => webhooks.getDelivery(t, deliveryId),
    "events.get": (t, { event }) => events.get(t, event.id),
    "keys.get": (t, { key }) => keys.get(t, key.id),
    "keys.revoke": (t, { key }) => keys.revoke(t, key.id, now),
    "tasks.get": (t, { task }) => tasks.get(ownerIn(t), task.id, now),
    "tasks.answer": (t, { task }) => tasks.answer(ownerIn(t), task.id, { taken: true }, now),
    "tasks.cancel": (t, { task }) => tasks.cancel(ownerIn(t), task.id, now),
    "tools.get": (t, { tool }) => tools.get(t, tool.name),
    "tools.update": (t, { tool }) => tools.update(t, tool.name, { config: { taken: true } }, now),
    "tools.update of a version": (t, { tool }) => tools.update(t, tool.name, { config: { taken: true } }, now, 1),
    "tools.delete": (t, { tool }) => tools.delete(t, tool.name),
    "sessions.get": (t, { session }) => sessions.get(t, session.id, now),
    "connections.getProvider": (t, { provider }) => connections.getProvider(t, provider.name),
    "connections.deleteProvider": (t, { provider }) => connections.deleteProvider(t, provider.name),
    "connections.put": (t, { connection }) => connections.put(ownerIn(t), connection, tokens),
    "connections.get": (t, { connection }) => connections.get(ownerIn(t), connection.id),
    "connections.delete": (t, { connection }) => connections.delete(ownerIn(t), connection.id),
    "letters.get": (t, { letter }) => letters.get(t, "deliveries", letter.id)
  }

  /** These look for rows, or change those that are there: others find and change nothing. */
  const empty: Attempts = {
    "contexts.list": (t) => Effect.map(contexts.list(t, page), ({ items }) => items),
    "documents.list": (t) => Effect.map(documents.list(t, page), ({ items }) => items),
    "webhooks.list": (t) => Effect.map(webhooks.list(t, page), ({ items }) => items),
    "events.feed": (t) =>
      events.feed(t, { after: firstCursor, limit: 200 }).pipe(
        Effect.repeat({ until: ({ isHeldBack }) => !isHeldBack }),
        Effect.map(({ items }) => items)
      ),
    "events.list": (t) => Effect.map(events.list(t, page), ({ items }) => items),
    "keys.list": (t) => Effect.map(keys.list(t, page), ({ items }) => items),
    "keys.markUsed": (t, { key }) => Effect.as(keys.markUsed(t, key.id, later), none),
    "keys.renew": (tenantId, { key, proof }) =>
      Effect.as(keys.renew({ tenantId, key, proof }, { ...proof, hash: "taken" }, "p"), none),
    "tools.list": (t) => Effect.map(tools.list(t, page), ({ items }) => items),
    "tools.credentials": (t, { tool }) => Effect.map(tools.credentials(t, tool.id), Option.toArray),
    "webhooks.plainSecrets": (t) => webhooks.plainSecrets(t, 200),
    "webhooks.sealSecret": (t, { webhook }) => Effect.map(webhooks.sealSecret(t, webhook.id, anySealedText), found),
    "tasks.list": (t) => Effect.map(tasks.list(ownerIn(t), page, now), ({ items }) => items),
    "tasks.take": (t, { task }) => Effect.map(tasks.take(t, task.id, now), Option.toArray),
    "tasks.isRunning": (t, { task }) => Effect.map(tasks.isRunning(t, task.id, 1, now), found),
    "tasks.end": (t, { task }) => Effect.map(tasks.end(t, task.id, 1, { status: "completed", result: {} }, now), found),
    "tasks.fail": (t, { task }) => Effect.map(tasks.fail(t, task.id, { code: "c", detail: "d" }, now), found),
    "tasks.touch": (t, { task }) => Effect.as(tasks.touch(t, task.id, 1, later), none),
    "tasks.setProgress": (t, { task }) => Effect.as(tasks.setProgress(t, task.id, 1, { progress: 1 }, now), none),
    "sessions.extend": (t, { session }) =>
      Effect.as(sessions.extend(t, session.id, DateTime.add(expiresAt, { hours: 1 })), none),
    "sessions.setLogLevel": (t, { session }) => Effect.as(sessions.setLogLevel(t, session.id, "error"), none),
    "sessions.subscribe": (t, { session }) => Effect.map(sessions.subscribe(t, session.id, "event://two", 10), found),
    "sessions.unsubscribe": (t, { session }) => Effect.as(sessions.unsubscribe(t, session.id, subscribed), none),
    "sessions.end": (t, { session }) => Effect.as(sessions.end(t, session.id), none),
    "sessions.append": (t, { session }) =>
      Effect.as(sessions.append(t, session.id, [{ ...first, seq: 1, message: "1", last: true }], expiresAt), none),
    "sessions.events": (t, { session }) => sessions.events(t, session.id, first, 10),
    "sessions.prune": (t, { session }) => Effect.as(sessions.prune(t, session.id, { events: 0, bytes: 0 }), none),
    "connections.listProviders": (t) => Effect.map(connections.listProviders(t, page), ({ items }) => items),
    "connections.find": (t, { provider }) => Effect.map(connections.find(ownerIn(t), provider.name), Option.toArray),
    "connections.list": (t) => Effect.map(connections.list(ownerIn(t), page), ({ items }) => items),
    "connections.renew": (t, { connection }) =>
      Effect.map(connections.renew(ownerIn(t), connection.id, 1, tokens, now), found),
    "connections.expire": (t, { connection }) =>
      Effect.map(connections.expire(ownerIn(t), connection.id, 1, now), found),
    "idempotency.claim": (t) => Effect.map(idempotency.claim(t, "job", now), (claimed) => found(!claimed)),
    "replays.extend": (t, { fence }) => Effect.map(replays.extend(claimIn(t, fence), expiresAt), found),
    "replays.answer": (t, { fence }) => Effect.map(replays.answer(claimIn(t, fence), anySealedText), found),
    "replays.release": (t, { fence }) => Effect.as(replays.release(claimIn(t, fence)), none),
    "replays.claim": (t) =>
      Effect.map(replays.claim(claimIn(t, crypto.randomUUID()), request), ({ _tag }) => found(_tag !== "Claimed")),
    "letters.list": (t) => Effect.map(letters.list(t, "deliveries", page), ({ items }) => items),
    "letters.counts": (t) => Effect.map(letters.counts(t), (counts) => [...counts]),
    "letters.takeOut": (t) => letters.takeOut(t, "deliveries", { limit: 200 }),
    "letters.takeOut of one": (t, { letter }) => letters.takeOut(t, "deliveries", { ids: [letter.id], limit: 1 }),
    "letters.discard": (t) =>
      Effect.map(letters.discard(t, "deliveries", { reason: "taken", at: now }), (count) => found(count > 0)),
    "letters.discard of one": (t, { letter }) =>
      Effect.map(letters.discard(t, "deliveries", { ids: [letter.id], reason: "taken", at: now }), (count) =>
        found(count > 0)
      ),
    "sealedValues.outdated": (t) =>
      sealedValues.outdated(t, credentials, { newestPrefix: "dms2", after: undefined, limit: 200 }),
    "sealedValues.replace": (t, { tool }) =>
      Effect.map(
        sealedValues.replace(t, credentials, [{ id: tool.id, sealed: anySealedText, renewed: otherSealedText }]),
        (replaced) => found(replaced > 0)
      ),
    "audit.list": (t) => Effect.map(audit.list(t, page), ({ items }) => items),
    "audit.chain": (t) => Effect.map(audit.chain(t), ({ head }) => found(head.seq > 0)),
    "audit.lines": (t) => audit.lines(t, { seq: 0, id: "00000000-0000-0000-0000-000000000000" }, 200),
    "index.nearest": (t) => index.nearest(t, "m", [1], {}, 200),
    "index.nearest of one": (t, { chunk }) => index.nearest(t, "m", [1], { refId: chunk.refId }, 200),
    "index.keyword": (t) => index.keyword(t, "secret", {}, 200),
    "index.remove": (t, { chunk }) => Effect.as(index.remove(t, chunk.kind, chunk.refId), none)
  }

  const acceptIn = (tenant: TenantId, delivery: Delivery) =>
    webhooks.accept(tenant, [delivery], outboxJobs(tenant, [delivery]))

  /** These bring a row whose id, or whose parent, is someone else's: the database refuses. */
  const refused: Attempts = {
    "contexts.create": (t, { context }) => contexts.create(t, { ...context, name: "taken" }),
    "documents.create": (t, { document }) => documents.create(t, { ...document, title: "taken" }),
    "webhooks.create": (t, { webhook }) => webhooks.create(t, webhook, anySealedText),
    "webhooks.accept of a repeat": (t, rows) => acceptIn(t, deliveryOf(rows, freshId(DeliveryId))),
    "webhooks.accept": (t, rows) => acceptIn(t, { ...deliveryOf(rows, freshId(DeliveryId)), externalId: "other" }),
    "webhooks.noteObject": (t, { deliveryId }) => webhooks.noteObject(t, deliveryId, now),
    "events.upsert": (t, { event }) => events.upsert(t, { ...event, status: "processed" }),
    "keys.create": (t, { key, proof }) => keys.create(t, key, { ...proof, lookupId: crypto.randomUUID() }),
    "tasks.create": (t, { task }) => tasks.create(ownerIn(t), task, {}, 100),
    "tools.create": (t, { tool }) => tools.create(t, { ...tool, name: "taken" }),
    "sessions.create": (t, { session }) => sessions.create(t, session, 10),
    "connections.createProvider": (t, { provider }) =>
      connections.createProvider(t, { provider: { ...provider, name: "taken" } }),
    "connections.put with a provider": (t, { connection, provider }) =>
      Effect.andThen(
        connections.createProvider(t, { provider: { ...provider, id: freshId(OAuthProviderId) } }),
        connections.put(ownerIn(t), connection, tokens)
      ),
    "letters.put": (t, { letter }) => letters.put(t, { ...letter, error: "taken" }),
    "index.put": (t, { chunk }) => index.put(t, "m", [{ ...chunk, text: "taken" }])
  }

  /** These use a name or a limit that each tenant has for itself: they work, as if nobody else were there. */
  const own: Attempts = {
    "tools.create of the same name": (t, { tool }) => tools.create(t, { ...tool, id: freshId(ToolId) }),
    "sessions.create of the only one": (t, { session }) =>
      sessions.create(t, { ...session, id: freshId(McpSessionId) }, 1),
    "letters.put of the same job": (t, { letter }) =>
      letters.put(t, { ...letter, id: freshId(DeadLetterId), error: "taken" })
  }

  return { missing, empty, refused, own }
})
