import { applicationRole, isolate, openToSystem, systemRole } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const createRole = Effect.fnUntraced(function* (role: string) {
  const sql = yield* SqlClient.SqlClient
  // Roles belong to the server, not to the database: another database of ours may have made them.
  yield* sql`
    do $$ begin
      create role ${sql(role)} nologin;
    exception when duplicate_object or unique_violation then null;
    end $$`
  // Since PostgreSQL 16 who makes a role is a member of it without the right to take it.
  yield* sql`
    do $$ begin
      if not pg_has_role(
        current_user, '${sql.literal(role)}',
        case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end
      ) then
        grant ${sql(role)} to current_user;
      end if;
    end $$`
  yield* sql`grant usage on schema public to ${sql(role)}`
})

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create extension if not exists vector`
  yield* sql`create extension if not exists pg_trgm`
  yield* createRole(applicationRole)
  yield* createRole(systemRole)

  yield* sql`
    create function current_tenant() returns uuid language sql stable
    return nullif(current_setting('app.tenant_id', true), '')::uuid`

  yield* sql`
    create table tenants (
      id uuid primary key,
      name text not null,
      is_first boolean not null default false,
      created_at timestamptz not null
    )`
  yield* sql`create unique index tenants_first on tenants (is_first) where is_first`
  yield* sql`alter table tenants enable row level security`
  yield* sql`alter table tenants force row level security`
  yield* sql`
    create policy own_tenant on tenants for select to ${sql(applicationRole)} using (id = (select current_tenant()))`
  yield* sql`grant select on tenants to ${sql(applicationRole)}`
  yield* openToSystem("tenants", "select")
  yield* openToSystem("tenants", "insert")

  yield* sql`
    create table api_keys (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      name text not null,
      role text not null,
      hash text not null unique,
      created_at timestamptz not null,
      expires_at timestamptz,
      revoked_at timestamptz
    )`
  yield* sql`create index api_keys_tenant on api_keys (tenant_id, id desc)`
  yield* isolate("api_keys", ["select", "insert", "update"])
  yield* openToSystem("api_keys", "select")
})
