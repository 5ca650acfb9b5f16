import { isolate, systemRole } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Nothing has ever written the table as it was: it knew owners with an API key only, and no questions.
  yield* sql`drop table tasks`
  yield* sql`
    create table tasks (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      kind text not null,
      status text not null check (status in ('working', 'input_required', 'completed', 'failed', 'cancelled')),
      principal jsonb not null,
      owner text not null generated always as ((principal ->> 'credential') || ':' || (principal ->> 'actor')) stored,
      input jsonb not null,
      answers jsonb not null,
      input_requests jsonb,
      run integer not null,
      progress jsonb,
      result jsonb,
      error jsonb,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      seen_at timestamptz,
      expires_at timestamptz not null,
      check ((status = 'input_required') = (input_requests is not null))
    )`
  yield* sql`create index tasks_newest on tasks (tenant_id, owner, id desc)`
  yield* sql`create index tasks_expiry on tasks (expires_at)`
  yield* sql`create index tasks_running on tasks (seen_at) where status = 'working'`
  yield* isolate("tasks")

  // The sweep removes what has expired and fails what its run has left, whoever's it is, and sees nothing else.
  const system = sql(systemRole)
  yield* sql`create policy system_select on tasks for select to ${system} using (expires_at <= now())`
  yield* sql`create policy system_delete on tasks for delete to ${system} using (expires_at <= now())`
  const silent = sql.literal("seen_at <= now() - interval '10 minutes'")
  yield* sql`create policy system_select_silent on tasks for select to ${system} using (${silent})`
  yield* sql`
    create policy system_fail on tasks for update to ${system}
    using (status = 'working' and ${silent}) with check (status = 'failed')`
  yield* sql`grant select (id, tenant_id, status, seen_at, expires_at), delete on tasks to ${system}`
  yield* sql`grant update (status, error, updated_at) on tasks to ${system}`
})
