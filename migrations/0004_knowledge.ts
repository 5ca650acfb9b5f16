import { isolate } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Dimensions that have an index of their own: the local model's and OpenAI's small one's. Others are scanned. */
const indexedDimensions = [512, 1536]

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table documents (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      title text not null,
      text text not null,
      uri text,
      metadata jsonb not null,
      status text not null,
      created_at timestamptz not null
    )`
  yield* sql`create index documents_newest on documents (tenant_id, id desc)`
  yield* isolate("documents")

  yield* sql`
    create table chunks (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      kind text not null,
      ref_id uuid not null,
      position integer not null,
      text text not null,
      words tsvector not null generated always as (to_tsvector('english', text)) stored,
      metadata jsonb not null,
      unique (tenant_id, kind, ref_id, position),
      unique (tenant_id, id)
    )`
  yield* sql`create index chunks_words on chunks using gin (words)`
  yield* sql`create index chunks_metadata on chunks using gin (metadata jsonb_path_ops)`
  yield* isolate("chunks")

  // One table for every model: the column has no dimension, each indexed dimension has a partial index by a cast.
  yield* sql`
    create table chunk_embeddings (
      tenant_id uuid not null,
      chunk_id uuid not null,
      model text not null,
      dimensions integer not null,
      embedding vector not null,
      primary key (chunk_id, model),
      foreign key (tenant_id, chunk_id) references chunks (tenant_id, id) on delete cascade,
      check (vector_dims(embedding) = dimensions)
    )`
  yield* Effect.forEach(indexedDimensions, (dimensions) => {
    const n = sql.literal(String(dimensions))
    return sql`
      create index ${sql(`chunk_embeddings_${dimensions}`)} on chunk_embeddings
      using hnsw ((embedding::vector(${n})) vector_cosine_ops) where dimensions = ${n}`
  })
  yield* isolate("chunk_embeddings")
})
