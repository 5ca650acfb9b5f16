import { Job } from "@devops-mcp/contract/Jobs"
import type {
  AppendItems,
  AppendedItems,
  CompactContext,
  CompactedContext,
  ContextHits,
  CreateContext,
  SearchContext,
  WindowQuery
} from "@devops-mcp/contract/ContextsApi"
import { type AgentContext, type ContextItem, type ContextWindow, ItemRole } from "@devops-mcp/domain/AgentContext"
import { InvalidInput, type NotFound, type StaleVersion } from "@devops-mcp/domain/Errors"
import { ContextId, ContextItemId, type TenantId } from "@devops-mcp/domain/Ids"
import { Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import { Change, Changes } from "../changes/Changes.ts"
import { Knowledge } from "../knowledge/Knowledge.ts"
import { makeNewId } from "../NewId.ts"
import { type ContextPatch, ContextRepository } from "../ports/ContextRepository.ts"
import type { EmbedderError } from "../ports/Embedder.ts"
import { JobQueue, type QueueError } from "../ports/JobQueue.ts"
import { SearchIndex } from "../ports/SearchIndex.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { TokenCounter } from "../ports/TokenCounter.ts"
import { Transactions } from "../ports/Transactions.ts"
import { selectWindow } from "./Window.ts"

/** Budget of a context that was created without one. */
const defaultMaxTokens = 128_000

const itemOfPassage = Schema.decodeUnknownOption(Schema.Struct({ seq: Schema.Int, role: ItemRole }))

const decodeDigestMark = Schema.decodeUnknownOption(
  Schema.Struct({ digest: Schema.Literal(true), messages: Schema.Int })
)

/** What marks the digest of an earlier compaction. */
const digestMark = (item: ContextItem) =>
  item.role === "system" && !item.pinned ? decodeDigestMark(item.metadata) : Option.none()

/** How many messages an item stands for: itself, or those that an earlier compaction took out. */
const messagesOf = (item: ContextItem): number =>
  Option.match(digestMark(item), { onNone: () => 1, onSome: (mark) => mark.messages })

/** Keeps what agents work in, within token budgets, and announces every change of it. Plain reads are the repository's. */
export class AgentContexts extends Context.Service<
  AgentContexts,
  {
    readonly create: (tenantId: TenantId, input: typeof CreateContext.Type) => Effect.Effect<AgentContext, StoreError>
    /** With `version`, only if it is still the stored one. */
    readonly update: (
      tenantId: TenantId,
      id: ContextId,
      patch: ContextPatch,
      version?: number
    ) => Effect.Effect<AgentContext, NotFound | StaleVersion | StoreError>
    /** Counts tokens, stores, and has the worker make the items searchable. */
    readonly append: (
      tenantId: TenantId,
      id: ContextId,
      input: typeof AppendItems.Type
    ) => Effect.Effect<typeof AppendedItems.Type, NotFound | StoreError | QueueError>
    readonly window: (
      tenantId: TenantId,
      id: ContextId,
      query: typeof WindowQuery.Type
    ) => Effect.Effect<ContextWindow, NotFound | StoreError>
    readonly compact: (
      tenantId: TenantId,
      id: ContextId,
      input: typeof CompactContext.Type
    ) => Effect.Effect<typeof CompactedContext.Type, NotFound | StaleVersion | InvalidInput | StoreError>
    /** Removes the context from the store and from the search. */
    readonly delete: (tenantId: TenantId, id: ContextId) => Effect.Effect<void, NotFound | StoreError>
    readonly search: (
      tenantId: TenantId,
      id: ContextId,
      input: typeof SearchContext.Type
    ) => Effect.Effect<typeof ContextHits.Type, NotFound | StoreError | EmbedderError>
  }
>()("@devops-mcp/core/contexts/AgentContexts") {
  static readonly layer = Layer.effect(
    AgentContexts,
    Effect.gen(function* () {
      const repository = yield* ContextRepository
      const transactions = yield* Transactions
      const jobs = yield* JobQueue
      const tokens = yield* TokenCounter
      const knowledge = yield* Knowledge
      const index = yield* SearchIndex
      const changes = yield* Changes
      const newId = yield* makeNewId

      const listChanged = (tenantId: TenantId) => changes.announce(Change.cases.ResourcesChanged.make({ tenantId }))

      const updated = (tenantId: TenantId, id: ContextId) =>
        changes.announce(Change.cases.ResourceUpdated.make({ tenantId, uri: `context://${id}` }))

      const create = Effect.fn("AgentContexts.create")(function* (
        tenantId: TenantId,
        input: typeof CreateContext.Type
      ) {
        const created = yield* repository.create(tenantId, {
          ...input,
          id: yield* newId(ContextId),
          maxTokens: input.maxTokens ?? defaultMaxTokens,
          metadata: input.metadata ?? {},
          createdAt: yield* DateTime.now
        })
        yield* listChanged(tenantId)
        return created
      })

      const update = Effect.fn("AgentContexts.update")(function* (
        tenantId: TenantId,
        id: ContextId,
        patch: ContextPatch,
        version?: number
      ) {
        const changed = yield* repository.update(tenantId, id, patch, yield* DateTime.now, version)
        yield* updated(tenantId, id)
        return changed
      })

      const append = Effect.fn("AgentContexts.append")(function* (
        tenantId: TenantId,
        id: ContextId,
        input: typeof AppendItems.Type
      ) {
        const createdAt = yield* DateTime.now
        const items = yield* Effect.forEach(input.items, (item) =>
          Effect.map(newId(ContextItemId), (itemId) => ({
            id: itemId,
            role: item.role,
            content: item.content,
            tokens: tokens.count(item.content),
            pinned: item.pinned ?? false,
            metadata: item.metadata ?? {},
            createdAt
          }))
        )
        const appended = yield* transactions.run(
          tenantId,
          Effect.gen(function* () {
            const appended = yield* repository.append(tenantId, id, items)
            const seqs = appended.items.map((item) => item.seq)
            const [fromSeq, toSeq] = [Math.min(...seqs), Math.max(...seqs)]
            yield* jobs.offer(Job.cases.IndexContext.make({ tenantId, contextId: id, fromSeq, toSeq }), {
              id: `context:${id}:${fromSeq}-${toSeq}`
            })
            return appended
          })
        )
        yield* updated(tenantId, id)
        return appended
      })

      const window = Effect.fn("AgentContexts.window")(function* (
        tenantId: TenantId,
        id: ContextId,
        query: typeof WindowQuery.Type
      ) {
        const { budget, items } = yield* transactions.run(
          tenantId,
          Effect.gen(function* () {
            const budget = query.maxTokens ?? (yield* repository.get(tenantId, id)).maxTokens
            return { budget, items: yield* repository.allItems(tenantId, id) }
          })
        )
        return selectWindow(items, budget, query.strategy ?? "oldest_first")
      })

      /** The same id gives texts whose tokens only grow with the number of messages they stand for. */
      const makeDigest = Effect.fnUntraced(function* (contextId: ContextId) {
        const id = yield* newId(ContextItemId)
        const createdAt = yield* DateTime.now
        return (removed: ReadonlyArray<ContextItem>): ContextItem => {
          const messages = removed.reduce((count, item) => count + messagesOf(item), 0)
          const content =
            `${messages} earlier ${messages === 1 ? "message was" : "messages were"} taken out to save tokens. ` +
            `Read them at /api/v1/contexts/${contextId}/items?digest=${id}`
          return {
            id,
            seq: removed[0]?.seq ?? 1,
            role: "system",
            content,
            tokens: tokens.count(content),
            pinned: false,
            metadata: { digest: true, messages },
            createdAt
          }
        }
      })

      const compact = Effect.fn("AgentContexts.compact")(function* (
        tenantId: TenantId,
        id: ContextId,
        input: typeof CompactContext.Type
      ) {
        const compacted = yield* transactions.run(
          tenantId,
          Effect.gen(function* () {
            const strategy = input.strategy ?? "oldest_first"
            const all = yield* repository.allItems(tenantId, id)
            if (selectWindow(all, input.maxTokens, strategy).omitted.count === 0) {
              const context = yield* repository.get(tenantId, id)
              return { context, digest: null, removed: { count: 0, tokens: 0 } }
            }
            // A digest of an earlier compaction is taken out as well: the new one stands for its items, too.
            const current = all.filter((item) => Option.isNone(digestMark(item)))
            const digestOf = yield* makeDigest(id)
            const kept = new Set(selectWindow(current, input.maxTokens - digestOf(all).tokens, strategy).items)
            const removed = all.filter((item) => !kept.has(item))
            const digest = digestOf(removed)
            if (digest.tokens > input.maxTokens) {
              return yield* new InvalidInput({
                pointer: "/maxTokens",
                detail: `The digest alone takes ${digest.tokens} tokens; the budget must be larger`
              })
            }
            const context = yield* repository.replaceWithDigest(
              tenantId,
              id,
              removed.map((item) => item.id),
              digest
            )
            return {
              context,
              digest,
              removed: { count: removed.length, tokens: removed.reduce((total, item) => total + item.tokens, 0) }
            }
          })
        )
        if (compacted.digest !== null) yield* updated(tenantId, id)
        return compacted
      })

      const search = Effect.fn("AgentContexts.search")(function* (
        tenantId: TenantId,
        id: ContextId,
        input: typeof SearchContext.Type
      ) {
        yield* repository.get(tenantId, id)
        const passages = yield* knowledge.passages(tenantId, {
          query: input.query,
          kinds: ["context"],
          refId: id,
          mode: "hybrid",
          limit: input.limit ?? 10
        })
        const items = passages.flatMap((passage) =>
          Option.match(itemOfPassage(passage.chunk.metadata), {
            onNone: () => [],
            onSome: (item) => [{ ...item, score: passage.score, text: passage.chunk.text }]
          })
        )
        return { items }
      })

      const remove = Effect.fn("AgentContexts.delete")(function* (tenantId: TenantId, id: ContextId) {
        yield* transactions.run(
          tenantId,
          Effect.andThen(repository.delete(tenantId, id), index.remove(tenantId, "context", id))
        )
        yield* listChanged(tenantId)
      })

      return AgentContexts.of({ create, update, append, window, compact, delete: remove, search })
    })
  )
}
