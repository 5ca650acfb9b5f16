import { isolate, systemRole } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table mcp_sessions (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      owner text not null,
      initialize jsonb not null,
      protocol_version text not null,
      log_level text,
      subscriptions text[] not null default '{}',
      created_at timestamptz not null,
      expires_at timestamptz not null,
      unique (tenant_id, id)
    )`
  yield* sql`create index mcp_sessions_owner on mcp_sessions (tenant_id, owner, expires_at)`
  yield* sql`create index mcp_sessions_expiry on mcp_sessions (expires_at)`
  yield* isolate("mcp_sessions")

  // Text, because a message is sent again exactly as it was. `position` tells the newest of all streams of a session.
  yield* sql`
    create table mcp_events (
      tenant_id uuid not null,
      session_id uuid not null,
      stream_id text not null,
      seq integer not null,
      position bigint not null generated always as identity,
      message text,
      last boolean not null,
      expires_at timestamptz not null,
      primary key (session_id, stream_id, seq),
      foreign key (tenant_id, session_id) references mcp_sessions (tenant_id, id) on delete cascade
    )`
  yield* sql`create index mcp_events_newest on mcp_events (session_id, position desc)`
  yield* sql`create index mcp_events_expiry on mcp_events (expires_at)`
  yield* isolate("mcp_events")

  // The sweep removes what has expired, whoever's it is, and sees nothing else.
  const system = sql(systemRole)
  for (const table of ["mcp_sessions", "mcp_events"]) {
    yield* sql`create policy system_select on ${sql(table)} for select to ${system} using (expires_at <= now())`
    yield* sql`create policy system_delete on ${sql(table)} for delete to ${system} using (expires_at <= now())`
    yield* sql`grant select (expires_at), delete on ${sql(table)} to ${system}`
  }
})
