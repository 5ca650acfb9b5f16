import { Job } from "@devops-mcp/contract/Jobs"
import type { AddDocument, Search, SearchHits } from "@devops-mcp/contract/KnowledgeApi"
import type { Document } from "@devops-mcp/domain/Document"
import type { NotFound } from "@devops-mcp/domain/Errors"
import { DocumentId, type TenantId } from "@devops-mcp/domain/Ids"
import type { SearchMode } from "@devops-mcp/domain/Search"
import { Context, DateTime, Effect, Layer } from "effect"
import { Change, Changes } from "../changes/Changes.ts"
import { makeNewId } from "../NewId.ts"
import { DocumentRepository } from "../ports/DocumentRepository.ts"
import { Embedder, type EmbedderError } from "../ports/Embedder.ts"
import { JobQueue, type QueueError } from "../ports/JobQueue.ts"
import { SearchIndex, type SearchFilter } from "../ports/SearchIndex.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { Transactions } from "../ports/Transactions.ts"
import { bestOfEach, fuse, type Passage } from "./Fusion.ts"

export interface PassageQuery extends SearchFilter {
  readonly query: string
  readonly mode: SearchMode
  readonly limit: number
}

/** How many candidates each half brings before fusion; several passages of one document share a hit. */
const candidates = (limit: number) => Math.max(50, limit * 5)

/** Finds things by meaning and by words, and takes new documents in. */
export class Knowledge extends Context.Service<
  Knowledge,
  {
    /** Best passages first; several may be of one owner. */
    readonly passages: (
      tenantId: TenantId,
      query: PassageQuery
    ) => Effect.Effect<ReadonlyArray<Passage>, StoreError | EmbedderError>
    /** Each event, document or context once, by its best passage. */
    readonly search: (
      tenantId: TenantId,
      input: typeof Search.Type
    ) => Effect.Effect<typeof SearchHits.Type, StoreError | EmbedderError>
    /** Stores the document and has the worker make it searchable. */
    readonly addDocument: (
      tenantId: TenantId,
      input: typeof AddDocument.Type
    ) => Effect.Effect<Document, StoreError | QueueError>
    /** Removes the document from the store and from the search. */
    readonly deleteDocument: (tenantId: TenantId, id: DocumentId) => Effect.Effect<void, NotFound | StoreError>
  }
>()("@devops-mcp/core/knowledge/Knowledge") {
  static readonly layer = Layer.effect(
    Knowledge,
    Effect.gen(function* () {
      const index = yield* SearchIndex
      const embedder = yield* Embedder
      const documents = yield* DocumentRepository
      const transactions = yield* Transactions
      const jobs = yield* JobQueue
      const changes = yield* Changes
      const newId = yield* makeNewId

      const listChanged = (tenantId: TenantId) => changes.announce(Change.cases.ResourcesChanged.make({ tenantId }))

      const nearest = Effect.fnUntraced(function* (tenantId: TenantId, query: PassageQuery, limit: number) {
        const [embedding = []] = yield* embedder.embed([query.query])
        return yield* index.nearest(tenantId, embedder.model, embedding, query, limit)
      })

      const ranked = Effect.fnUntraced(function* (tenantId: TenantId, query: PassageQuery) {
        const limit = candidates(query.limit)
        const [vector, keyword] = yield* Effect.all(
          [
            query.mode === "keyword" ? Effect.succeed([]) : nearest(tenantId, query, limit),
            query.mode === "vector" ? Effect.succeed([]) : index.keyword(tenantId, query.query, query, limit)
          ],
          { concurrency: 2 }
        )
        return fuse(vector, keyword)
      })

      const passages = Effect.fn("Knowledge.passages")(function* (tenantId: TenantId, query: PassageQuery) {
        return (yield* ranked(tenantId, query)).slice(0, query.limit)
      })

      const search = Effect.fn("Knowledge.search")(function* (tenantId: TenantId, input: typeof Search.Type) {
        const limit = input.limit ?? 10
        const found = yield* ranked(tenantId, {
          query: input.query,
          mode: input.mode ?? "hybrid",
          limit,
          ...(input.kinds === undefined ? {} : { kinds: input.kinds }),
          ...(input.filter === undefined ? {} : { metadata: input.filter })
        })
        const items = bestOfEach(found)
          .slice(0, limit)
          .map(({ chunk, ranks, score }) => ({
            id: chunk.id,
            kind: chunk.kind,
            score,
            text: chunk.text,
            ref: `${chunk.kind}://${chunk.refId}`,
            metadata: chunk.metadata,
            ranks
          }))
        return { items }
      })

      const addDocument = Effect.fn("Knowledge.addDocument")(function* (
        tenantId: TenantId,
        input: typeof AddDocument.Type
      ) {
        const id = yield* newId(DocumentId)
        const document: Document = {
          ...input,
          id,
          metadata: input.metadata ?? {},
          status: "pending",
          createdAt: yield* DateTime.now
        }
        const added = yield* transactions.run(
          tenantId,
          Effect.gen(function* () {
            const stored = yield* documents.create(tenantId, document)
            yield* jobs.offer(Job.cases.IngestDocument.make({ tenantId, documentId: id }), { id: `document:${id}` })
            return stored
          })
        )
        yield* listChanged(tenantId)
        return added
      })

      const deleteDocument = Effect.fn("Knowledge.deleteDocument")(function* (tenantId: TenantId, id: DocumentId) {
        yield* transactions.run(
          tenantId,
          Effect.andThen(documents.delete(tenantId, id), index.remove(tenantId, "document", id))
        )
        yield* listChanged(tenantId)
      })

      return Knowledge.of({ passages, search, addDocument, deleteDocument })
    })
  )
}
