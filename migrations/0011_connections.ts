import { isolate } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table oauth_providers (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      name text not null,
      issuer text,
      authorization_endpoint text not null,
      token_endpoint text not null,
      revocation_endpoint text,
      client_authentication text not null,
      iss_required boolean not null,
      client_id text not null,
      sealed_client_secret text,
      scopes jsonb not null,
      allow_private_network boolean not null,
      created_at timestamptz not null,
      unique (tenant_id, name)
    )`
  yield* isolate("oauth_providers")

  // The owner of a shared connection is the tenant itself: empty.
  yield* sql`
    create table connections (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      provider text not null,
      owner text not null,
      shared boolean not null,
      status text not null,
      scopes jsonb not null,
      sealed_access_token text not null,
      sealed_refresh_token text,
      expires_at timestamptz,
      version integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      unique (tenant_id, provider, owner),
      foreign key (tenant_id, provider) references oauth_providers (tenant_id, name) on delete cascade
    )`
  yield* sql`create index connections_newest on connections (tenant_id, id desc)`
  yield* isolate("connections")
})
