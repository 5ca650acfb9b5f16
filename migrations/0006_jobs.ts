import { jobsTable } from "@devops-mcp/queue/JobsTable"
import { applicationRole, isolate, openToSystem } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { PersistedQueue } from "effect/persistence"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The queue's library makes its own table; here, so that the rights on it are part of the schema.
  yield* Effect.scoped(PersistedQueue.makeStoreSql({ tableName: jobsTable }))
  // Whoever serves a request may add a job and nothing more: jobs of all tenants are in this table.
  yield* sql`grant insert on ${sql(jobsTable)} to ${sql(applicationRole)}`
  yield* sql`grant select (id, queue_name) on ${sql(jobsTable)} to ${sql(applicationRole)}`
  yield* sql`grant usage on sequence ${sql(`${jobsTable}_sequence_seq`)} to ${sql(applicationRole)}`

  yield* sql`
    create table idempotency (
      tenant_id uuid not null references tenants (id),
      key text not null,
      claimed_at timestamptz not null,
      primary key (tenant_id, key)
    )`
  yield* isolate("idempotency", ["select", "insert"])

  yield* sql`
    create table audit_log (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      actor text not null,
      action text not null,
      target text,
      outcome text not null,
      request_id text not null,
      duration_ms double precision not null,
      occurred_at timestamptz not null
    )`
  yield* sql`create index audit_log_newest on audit_log (tenant_id, id desc)`
  yield* isolate("audit_log", ["select", "insert"])
  yield* openToSystem("audit_log", "insert")
})
