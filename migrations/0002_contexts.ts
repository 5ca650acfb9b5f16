import { isolate } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table contexts (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      name text not null,
      description text,
      agent_id text,
      model_id text,
      session_id text,
      max_tokens integer not null,
      metadata jsonb not null,
      token_count integer not null default 0,
      item_count integer not null default 0,
      next_seq integer not null default 1,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      expires_at timestamptz,
      unique (tenant_id, id)
    )`
  yield* sql`create index contexts_agent on contexts (tenant_id, agent_id, id desc)`
  yield* sql`create index contexts_session on contexts (tenant_id, session_id, id desc)`
  yield* isolate("contexts")

  // `removed_by` is the digest item that stands for a compacted item; those that have it are in no window.
  yield* sql`
    create table context_items (
      id uuid primary key,
      tenant_id uuid not null,
      context_id uuid not null,
      seq integer not null,
      role text not null,
      content text not null,
      tokens integer not null,
      pinned boolean not null,
      metadata jsonb not null,
      created_at timestamptz not null,
      removed_by uuid,
      foreign key (tenant_id, context_id) references contexts (tenant_id, id) on delete cascade
    )`
  yield* sql`create unique index context_items_window on context_items (context_id, seq) where removed_by is null`
  yield* sql`create index context_items_removed on context_items (removed_by, seq) where removed_by is not null`
  yield* sql`create index context_items_context on context_items (tenant_id, context_id)`
  yield* isolate("context_items")
})
