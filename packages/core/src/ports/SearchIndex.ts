import type { Metadata } from "@devops-mcp/domain/Fields"
import type { ChunkId, TenantId } from "@devops-mcp/domain/Ids"
import type { SearchKind } from "@devops-mcp/domain/Search"
import { Context, type Effect } from "effect"
import type { StoreError } from "./StoreError.ts"

/** A passage of something searchable. `(kind, refId, position)` is unique: indexing again replaces. */
export interface Chunk {
  readonly id: ChunkId
  readonly kind: SearchKind
  /** Id of the event, document or context that it is part of. */
  readonly refId: string
  readonly position: number
  readonly text: string
  readonly metadata: Metadata
}

export interface EmbeddedChunk extends Chunk {
  readonly embedding: ReadonlyArray<number>
}

/** What both halves of a search are restricted to. */
export interface SearchFilter {
  readonly kinds?: ReadonlyArray<SearchKind>
  readonly refId?: string
  /** Equality on metadata fields. */
  readonly metadata?: Metadata
}

/** A chunk with how well it matched; higher is better, comparable inside one answer only. */
export interface Candidate extends Chunk {
  readonly score: number
}

/** Finds passages by meaning and by words. Embeddings belong to one model and are only compared with their own. */
export class SearchIndex extends Context.Service<
  SearchIndex,
  {
    readonly put: (
      tenantId: TenantId,
      model: string,
      chunks: ReadonlyArray<EmbeddedChunk>
    ) => Effect.Effect<void, StoreError>
    readonly remove: (tenantId: TenantId, kind: SearchKind, refId: string) => Effect.Effect<void, StoreError>
    /** Nearest first, by cosine similarity. */
    readonly nearest: (
      tenantId: TenantId,
      model: string,
      embedding: ReadonlyArray<number>,
      filter: SearchFilter,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Candidate>, StoreError>
    /** Best match of any of the query's words first. */
    readonly keyword: (
      tenantId: TenantId,
      query: string,
      filter: SearchFilter,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Candidate>, StoreError>
  }
>()("@devops-mcp/core/ports/SearchIndex") {}
