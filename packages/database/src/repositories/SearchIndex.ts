import {
  type Candidate,
  type Chunk,
  type EmbeddedChunk,
  type SearchFilter,
  SearchIndex
} from "@devops-mcp/core/ports/SearchIndex"
import { Metadata } from "@devops-mcp/domain/Fields"
import { ChunkId, type TenantId } from "@devops-mcp/domain/Ids"
import { SearchKind } from "@devops-mcp/domain/Search"
import { Array, Effect, Layer, Predicate, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { toSql } from "pgvector"
import { decodeRows, storable, textArray, toJsonb } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"

const CandidateRow = Schema.Struct({
  id: ChunkId,
  kind: SearchKind,
  refId: Schema.String,
  position: Schema.Int,
  text: Schema.String,
  metadata: Metadata,
  score: Schema.Finite
})

/** Of the passages with any of the words, how many of the best are looked at letter by letter. */
const wordCandidates = 200

/** How much of a query's beginning is searched for: each word costs the server time, and a hundred thousand its stack. */
const queryCharacters = 4_000

const placeOf = ({ kind, position, refId }: Pick<Chunk, "kind" | "position" | "refId">) =>
  `${kind}:${refId}:${position}`

/** Vectors in one statement: each is some twenty kilobytes of text, and a document has hundreds. */
const embeddingsTogether = 100

export const SearchIndexLive = Layer.effect(
  SearchIndex,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tenancy = yield* Tenancy
    const decode: (rows: ReadonlyArray<object>) => Effect.Effect<ReadonlyArray<Candidate>> = decodeRows(CandidateRow)

    const where = (filter: SearchFilter, first: Statement.Fragment) =>
      sql.and([
        first,
        ...(filter.kinds === undefined ? [] : [sql`chunks.kind in ${sql.in(filter.kinds)}`]),
        ...(filter.refId === undefined ? [] : [sql`chunks.ref_id = ${filter.refId}`]),
        // Containment is what the index can do; equality of a whole list or object takes a second look.
        ...(filter.metadata === undefined ? [] : [sql`chunks.metadata @> ${toJsonb(filter.metadata)}`]),
        ...Object.entries(filter.metadata ?? {}).flatMap(([name, value]) =>
          Predicate.isObjectOrArray(value) ? [sql`chunks.metadata -> ${storable(name)} = ${toJsonb(value)}`] : []
        )
      ])

    const put = Effect.fnUntraced(function* (tenantId: TenantId, model: string, chunks: ReadonlyArray<EmbeddedChunk>) {
      if (!Array.isReadonlyArrayNonEmpty(chunks)) return
      const rows = Array.map(chunks, ({ embedding: _, metadata, text, ...chunk }) => ({
        ...chunk,
        tenantId,
        text: storable(text),
        metadata: toJsonb(metadata)
      }))
      const stored = yield* sql<Pick<Chunk, "id" | "kind" | "position" | "refId">>`
        insert into chunks ${sql.insert(rows)}
        on conflict (tenant_id, kind, ref_id, position) do update set text = excluded.text, metadata = excluded.metadata
        returning id, kind, position, ref_id`
      // A passage that was there keeps its id, so embeddings go by what is stored and not by what was offered.
      const idAt = new Map(stored.map((row) => [placeOf(row), row.id]))
      yield* Effect.forEach(
        Array.chunksOf(chunks, embeddingsTogether),
        (some) => sql`
          insert into chunk_embeddings (tenant_id, chunk_id, model, dimensions, embedding)
          select ${tenantId}::uuid, chunk_id, ${model}::text, vector_dims(embedding), embedding
          from unnest(
            ${textArray(some.map((chunk) => idAt.get(placeOf(chunk)) ?? null))}::uuid[],
            ${textArray(some.map(({ embedding }) => toSql([...embedding])))}::vector[]
          ) as passage (chunk_id, embedding)
          on conflict (chunk_id, model) do update
          set embedding = excluded.embedding, dimensions = excluded.dimensions`,
        { discard: true }
      )
    })

    return SearchIndex.of({
      put: (tenantId, model, chunks) => tenancy.run(tenantId, "searchIndex.put", put(tenantId, model, chunks)),
      remove: (tenantId, kind, refId) =>
        tenancy.run(
          tenantId,
          "searchIndex.remove",
          Effect.asVoid(sql`delete from chunks where kind = ${kind} and ref_id = ${refId}`)
        ),
      nearest: (tenantId, model, embedding, filter, limit) =>
        tenancy.run(
          tenantId,
          "searchIndex.nearest",
          Effect.gen(function* () {
            // The cast and the literal dimension are what the partial index is made for.
            const n = sql.literal(String(embedding.length))
            const vector = sql`${toSql([...embedding])}::vector(${n})`
            // Two vectors of which one has no direction are as far apart as can be; cosine says NaN, which sorts last.
            // With a filter an index scan may run dry before it has enough; this makes it go on.
            yield* sql`select set_config('hnsw.iterative_scan', 'strict_order', true)`
            const rows = yield* sql`
              select chunks.id, chunks.kind, chunks.ref_id, chunks.position, chunks.text, chunks.metadata,
                coalesce(nullif(1 - (embedding::vector(${n}) <=> ${vector}), 'NaN'), -1) as score
              from chunk_embeddings join chunks on chunks.id = chunk_embeddings.chunk_id
              where ${where(filter, sql`dimensions = ${n} and model = ${model}`)}
              order by embedding::vector(${n}) <=> ${vector} limit ${limit}`
            return yield* decode(rows)
          })
        ),
      keyword: (tenantId, query, filter, limit) =>
        tenancy.run(
          tenantId,
          "searchIndex.keyword",
          Effect.gen(function* () {
            const asked = storable(query.slice(0, queryCharacters))
            // Any of the words will do: with all of them demanded, a question in prose finds nothing.
            // No word has a space in it, so what is between spaces is an operator.
            const words = sql`replace(plainto_tsquery('english', ${asked})::text, ' & ', ' | ')::tsquery`
            const rows = yield* sql`
              select id, kind, ref_id, position, text, metadata, rank + word_similarity(${asked}, text) as score
              from (
                select id, kind, ref_id, position, text, metadata, ts_rank(words, ${words}, 1) as rank
                from chunks where ${where(filter, sql`words @@ ${words}`)}
                order by rank desc limit ${wordCandidates}
              ) as found
              order by score desc, id limit ${limit}`
            return yield* decode(rows)
          })
        )
    })
  })
)
