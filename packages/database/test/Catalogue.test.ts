import { applicationRole, systemRole } from "@devops-mcp/database/TenantIsolation"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { faults, ownersFunctionsOf, policiesOf, rightsOf, tenantTableNames } from "./Catalogue.ts"

/** What a migration could do wrong, and how the catalogue's walk names it. */
const mistakes: Array<{ readonly fault: string; readonly statements: ReadonlyArray<string> }> = [
  { fault: "forgotten has no forced row-level security", statements: ["create table forgotten (tenant_id uuid)"] },
  {
    fault: "child has no forced row-level security",
    statements: ["create table child (context_id uuid references contexts (id))"]
  },
  {
    fault: "contexts has no forced row-level security",
    statements: ["alter table contexts no force row level security"]
  },
  {
    fault: "events_default has no forced row-level security",
    statements: ["alter table events_default disable row level security"]
  },
  {
    fault: "late has no forced row-level security",
    statements: ["create table late partition of events for values from ('2050-01-01') to ('2050-02-01')"]
  },
  {
    fault: "events_default: devops_mcp_app may SELECT without a policy",
    statements: ["grant select on events_default to devops_mcp_app"]
  },
  {
    fault: "tenants: devops_mcp_app may UPDATE without a policy",
    statements: ["grant update (name) on tenants to devops_mcp_app"]
  },
  {
    fault: "documents: devops_mcp_system may SELECT without a policy",
    statements: ["grant select on documents to devops_mcp_system"]
  },
  { fault: "contexts: devops_mcp_app may TRUNCATE", statements: ["grant truncate on contexts to devops_mcp_app"] },
  { fault: "contexts: everybody may SELECT", statements: ["grant select on contexts to public"] },
  { fault: "contexts: the policy open is for everybody", statements: ["create policy open on contexts using (true)"] },
  {
    fault: "contexts: the policy wide shows the application more than its tenant",
    statements: ["create policy wide on contexts for select to devops_mcp_app using (true)"]
  },
  {
    fault: "contexts: the policy either shows the application more than its tenant",
    statements: [
      "create policy either on contexts to devops_mcp_app using (tenant_id = (select current_tenant()) or name = 'x')"
    ]
  },
  { fault: "peek is a view with the rights of its owner", statements: ["create view peek as select * from contexts"] },
  {
    fault: "peek() runs with the rights of its owner",
    statements: [
      "create function peek() returns bigint language sql security definer return (select count(*) from contexts)"
    ]
  },
  { fault: "devops_mcp_app is more than a role", statements: ["alter role devops_mcp_app bypassrls"] },
  {
    fault: "devops_mcp_app has the rights of devops_mcp_system",
    statements: ["grant devops_mcp_system to devops_mcp_app"]
  },
  {
    fault: "devops_mcp_app owns table mine",
    statements: [
      "create table mine ()",
      "grant create on schema public to devops_mcp_app",
      "alter table mine owner to devops_mcp_app"
    ]
  },
  { fault: "devops_mcp_app may create in public", statements: ["grant create on schema public to devops_mcp_app"] }
]

layer(TestDatabase, { excludeTestServices: true, timeout: "60 seconds" })("the catalogue", (it) => {
  it.effect("shows no hole between tenants", () =>
    Effect.gen(function* () {
      assert.includeMembers(
        [...(yield* tenantTableNames)],
        [
          "tenants",
          "contexts",
          "events",
          "events_default",
          "deliveries",
          "deliveries_default",
          "delivery_keys",
          "tasks"
        ]
      )
      assert.deepStrictEqual(yield* faults, [])
    })
  )

  it.effect.each(mistakes)("would show that $fault", ({ fault, statements }) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const makeMistake = Effect.gen(function* () {
        yield* Effect.forEach(statements, (statement) => sql`${sql.literal(statement)}`)
        return yield* Effect.flatMap(faults, (found) => Effect.fail({ found }))
      })
      const undone = yield* Effect.flip(sql.withTransaction(makeMistake))
      assert.include("found" in undone ? undone.found : [], fault)
    })
  )

  it.effect("gives the application less than all rights on what it only adds to, and nothing beyond", () =>
    Effect.gen(function* () {
      const rights = yield* rightsOf(applicationRole)
      assert.deepStrictEqual(
        rights.filter((line) => !line.endsWith(": delete, insert, select, update")),
        [
          "api_keys: insert, select, update",
          "audit_heads: select",
          "audit_log: select",
          "deliveries: insert, select",
          "delivery_keys: insert, select",
          "delivery_objects: insert, select",
          "events: insert, select, update",
          "idempotency: insert, select",
          "job_outbox: insert, select (id, queue)",
          "jobs: insert, select (id, queue_name)",
          "jobs_sequence_seq: usage",
          "tenants: select"
        ]
      )
    })
  )

  it.effect("gives the system role what it needs before a tenant is known, and to remove what has expired", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* rightsOf(systemRole), [
        "api_keys: delete, select",
        "audit_heads: insert, select, update",
        "audit_log: insert, select (hash, id, recorded_at, seq, tenant_id)",
        "chunks: delete, select (kind, ref_id, tenant_id)",
        "contexts: delete, select (expires_at, id, tenant_id)",
        "dead_letters: delete, select (discarded_at)",
        "deliveries: select (id, received_at)",
        "delivery_keys: delete, select (received_at)",
        "delivery_objects: delete, select",
        "events: select (id, received_at)",
        "idempotency: delete, select (claimed_at)",
        "mcp_events: delete, select (expires_at)",
        "mcp_sessions: delete, select (expires_at)",
        "request_replays: delete, select (expires_at)",
        "tasks: delete, select (expires_at, id, seen_at, status, tenant_id), update (error, status, updated_at)",
        "tenants: insert, select",
        "webhooks: select"
      ])
      assert.deepStrictEqual(yield* policiesOf(systemRole), [
        "api_keys: delete using (expires_at <= (now() - '30 days'::interval))",
        "api_keys: select using true",
        "audit_heads: insert check true",
        "audit_heads: select using true",
        "audit_heads: update using true check true",
        "audit_log: insert check true",
        "audit_log: select using true",
        "chunks: delete using (kind = ANY (ARRAY['event'::text, 'context'::text]))",
        "chunks: select using (kind = ANY (ARRAY['event'::text, 'context'::text]))",
        "contexts: delete using (expires_at <= now())",
        "contexts: select using (expires_at <= now())",
        "dead_letters: delete using (discarded_at IS NOT NULL)",
        "dead_letters: select using (discarded_at IS NOT NULL)",
        "deliveries: select using true",
        "delivery_keys: delete using (received_at <= (now() - '1 day'::interval))",
        "delivery_keys: select using (received_at <= (now() - '1 day'::interval))",
        "delivery_objects: delete using true",
        "delivery_objects: select using true",
        "events: select using true",
        "idempotency: delete using (claimed_at <= (now() - '30 days'::interval))",
        "idempotency: select using (claimed_at <= (now() - '30 days'::interval))",
        "mcp_events: delete using (expires_at <= now())",
        "mcp_events: select using (expires_at <= now())",
        "mcp_sessions: delete using (expires_at <= now())",
        "mcp_sessions: select using (expires_at <= now())",
        "request_replays: delete using (expires_at <= now())",
        "request_replays: select using (expires_at <= now())",
        "tasks: delete using (expires_at <= now())",
        "tasks: select using (expires_at <= now())",
        "tasks: select using (seen_at <= (now() - '00:10:00'::interval))",
        "tasks: update using ((status = 'working'::text) AND (seen_at <= (now() - '00:10:00'::interval)))" +
          " check (status = 'failed'::text)",
        "tenants: insert check true",
        "tenants: select using true",
        "webhooks: select using true"
      ])
      assert.deepStrictEqual(yield* ownersFunctionsOf(systemRole), [
        "audit_drop_partition(date)",
        "audit_make_partition(date)",
        "drop_partition(text,date)",
        "make_partition(text,date)",
        "settle_default_partition(text)"
      ])
    })
  )
})
