import { isolate, systemRole } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Running as long as `leased_until` is there; answered without an answer where that was too large to be kept.
  yield* sql`
    create table request_replays (
      tenant_id uuid not null references tenants (id),
      owner text not null,
      key text not null check (length(key) between 1 and 255),
      fingerprint text not null,
      fence uuid not null,
      leased_until timestamptz,
      sealed_answer text,
      expires_at timestamptz not null,
      primary key (tenant_id, owner, key),
      check (leased_until is null or sealed_answer is null)
    )`
  yield* sql`create index request_replays_expiry on request_replays (expires_at)`
  yield* isolate("request_replays")

  // The sweep removes what has expired, whoever's it is, and sees nothing else.
  const system = sql(systemRole)
  yield* sql`create policy system_select on request_replays for select to ${system} using (expires_at <= now())`
  yield* sql`create policy system_delete on request_replays for delete to ${system} using (expires_at <= now())`
  yield* sql`grant select (expires_at), delete on request_replays to ${system}`
})
