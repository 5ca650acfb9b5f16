import { type Act, Audit } from "@devops-mcp/core/audit/Audit"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { CursorError } from "@devops-mcp/core/ports/Cursor"
import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { type EventFilter, EventRepository } from "@devops-mcp/core/ports/EventRepository"
import type { AgentContext, ContextItem } from "@devops-mcp/domain/AgentContext"
import type { Document } from "@devops-mcp/domain/Document"
import { NotFound } from "@devops-mcp/domain/Errors"
import type { Event } from "@devops-mcp/domain/Event"
import { ContextId, ContextItemId, DeliveryId, DocumentId, EventId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { DateTime, Effect, Layer } from "effect"

/** The nth id of a kind; later ones are greater, as real ids are. */
const nth = (kind: string, n: number) => `0192f0c1-000${kind}-7000-8000-${n.toString().padStart(12, "0")}`

export const contextIdOf = (n: number) => ContextId.make(nth("c", n))
export const documentIdOf = (n: number) => DocumentId.make(nth("d", n))
export const eventIdOf = (n: number) => EventId.make(nth("e", n))

export const at = (minutes: number) => DateTime.makeUnsafe(minutes * 60_000)

export const contextOf = (n: number, fields: Partial<AgentContext> = {}): AgentContext => ({
  id: contextIdOf(n),
  name: `Context ${n}`,
  maxTokens: 128_000,
  metadata: {},
  tokenCount: 0,
  itemCount: 0,
  version: 1,
  createdAt: at(n),
  updatedAt: at(n),
  ...fields
})

export const itemOf = (seq: number, tokens: number, metadata: ContextItem["metadata"] = {}): ContextItem => ({
  id: ContextItemId.make(nth("f", seq)),
  seq,
  role: "user",
  content: `${seq} ${"word ".repeat(tokens - 1)}`,
  tokens,
  pinned: false,
  metadata,
  createdAt: at(seq)
})

export const documentOf = (n: number, fields: Partial<Document> = {}): Document => ({
  id: documentIdOf(n),
  title: `Document ${n}`,
  text: "plain text",
  metadata: {},
  status: "ready",
  createdAt: at(n),
  ...fields
})

export const eventOf = (n: number, fields: Partial<Event> = {}): Event => ({
  id: eventIdOf(n),
  source: "github",
  type: "push",
  repository: "octo/shop",
  title: `Event ${n}`,
  summary: `Ada pushed commit ${n}`,
  occurredAt: at(n),
  receivedAt: at(n),
  deliveryId: DeliveryId.make(nth("e", n)),
  status: "processed",
  ...fields
})

/** A page of things in memory, newest first, as the repositories give them. */
const pageOf = <A extends { readonly id: string }>(all: ReadonlyArray<A>, { cursor, limit }: PageRequest) => {
  if (cursor !== undefined && !all.some(({ id }) => id === cursor)) return Effect.fail(new CursorError())
  const newest = all.toSorted((a, b) => (a.id < b.id ? 1 : -1)).filter(({ id }) => cursor === undefined || id < cursor)
  const items = newest.slice(0, limit)
  const page: Page<A> = { items, nextCursor: newest.length > limit ? (items.at(-1)?.id ?? null) : null }
  return Effect.succeed(page)
}

const get = <A extends { readonly id: string }>(resource: string, all: ReadonlyArray<A>, id: string) => {
  const found = all.find((one) => one.id === id)
  return found === undefined ? Effect.fail(new NotFound({ resource, id })) : Effect.succeed(found)
}

const passes = (filter: EventFilter) => (event: Event) =>
  (filter.repository === undefined || filter.repository === event.repository) &&
  (filter.type === undefined || filter.type === event.type) &&
  (filter.since === undefined || event.occurredAt.epochMilliseconds >= filter.since.epochMilliseconds) &&
  (filter.until === undefined || event.occurredAt.epochMilliseconds < filter.until.epochMilliseconds)

export const storeOf = (stored: {
  readonly contexts?: ReadonlyArray<AgentContext>
  readonly items?: ReadonlyArray<ContextItem>
  readonly documents?: ReadonlyArray<Document>
  readonly events?: ReadonlyArray<Event>
}) => {
  const { contexts = [], documents = [], events = [], items = [] } = stored
  return Layer.mergeAll(
    Layer.mock(ContextRepository, {
      list: (_, filter) => pageOf(contexts, filter),
      get: (_, id) => get("context", contexts, id),
      allItems: () => Effect.succeed(items)
    }),
    Layer.mock(DocumentRepository, {
      list: (_, page) => pageOf(documents, page),
      get: (_, id) => get("document", documents, id)
    }),
    Layer.mock(EventRepository, {
      list: (_, filter) => pageOf(events.filter(passes(filter)), filter),
      get: (_, id) => get("event", events, id)
    })
  )
}

/** An audit that puts what it records into the array. */
export const auditInto = (acts: Array<Act>) =>
  Layer.mock(Audit, { record: (act) => Effect.sync(() => void acts.push(act)) })
