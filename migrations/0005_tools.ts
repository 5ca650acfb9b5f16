import { isolate } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table tools (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      name text not null,
      kind text not null,
      config jsonb not null,
      version integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      unique (tenant_id, name)
    )`
  yield* isolate("tools")

  yield* sql`
    create table tasks (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      kind text not null,
      status text not null,
      owner uuid not null,
      input jsonb not null,
      progress jsonb,
      result jsonb,
      error jsonb,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`
  yield* sql`create index tasks_newest on tasks (tenant_id, id desc)`
  yield* isolate("tasks")
})
