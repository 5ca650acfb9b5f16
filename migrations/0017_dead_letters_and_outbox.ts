import { applicationRole, isolate, systemRole } from "@devops-mcp/database/TenantIsolation"
import { jobsTable, leasesTable, outboxTable } from "@devops-mcp/queue/JobsTable"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const system = sql(systemRole)

  yield* sql`
    create table dead_letters (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      queue text not null,
      job_id text not null,
      type text not null,
      "group" text,
      error text not null,
      attempts integer not null,
      redrives integer not null,
      payload jsonb not null,
      failed_at timestamptz not null,
      discarded_at timestamptz,
      discard_reason text,
      unique (tenant_id, queue, job_id),
      check ((discarded_at is null) = (discard_reason is null))
    )`
  yield* sql`create index dead_letters_newest on dead_letters (tenant_id, queue, id desc)`
  yield* sql`create index dead_letters_discarded on dead_letters (discarded_at) where discarded_at is not null`
  yield* isolate("dead_letters")
  // The sweep removes what was discarded, whoever's it is, and sees nothing else.
  yield* sql`
    create policy system_select on dead_letters for select to ${system} using (discarded_at is not null)`
  yield* sql`
    create policy system_delete on dead_letters for delete to ${system} using (discarded_at is not null)`
  yield* sql`grant select (discarded_at), delete on dead_letters to ${system}`

  // What was given up before has its cause in the queue's own table, and waited in one queue with all others.
  yield* sql`
    do $$
    declare
      job record;
      content jsonb;
    begin
      for job in select id, element, attempts, last_failure, updated_at from ${sql(jobsTable)} where state = 'failed' loop
        begin
          content := job.element::jsonb;
          insert into dead_letters
            (id, tenant_id, queue, job_id, type, error, attempts, redrives, payload, failed_at)
          select gen_random_uuid(), t.id,
            case content ->> '_tag'
              when 'IngestDelivery' then 'deliveries' when 'IngestDocument' then 'documents'
              when 'IndexContext' then 'contexts' else 'tasks' end,
            job.id, coalesce(content ->> '_tag', 'unknown'), left(coalesce(job.last_failure, 'unknown'), 4000),
            job.attempts, 0, content, job.updated_at at time zone current_setting('timezone')
          from tenants t where t.id::text = content ->> 'tenantId';
        exception when others then
          raise warning 'The dead letter % cannot be read and stays where it is', job.id;
          continue;
        end;
        update ${sql(jobsTable)} set state = 'completed' where id = job.id and state = 'failed';
      end loop;
    end $$`
  yield* sql`
    update ${sql(jobsTable)} set queue_name =
      case
        when element like '%"_tag":"IngestDelivery"%' then 'deliveries'
        when element like '%"_tag":"IngestDocument"%' then 'documents'
        when element like '%"_tag":"IndexContext"%' then 'contexts'
        else 'tasks' end
    where queue_name = 'ingest'`

  // Where jobs for Amazon SQS wait until they are sent, and stay until they are done: the queue's own memory of them.
  yield* sql`
    create table ${sql(outboxTable)} (
      sequence bigint generated always as identity primary key,
      queue text not null,
      id text not null,
      group_key text not null,
      body text not null,
      traceparent text,
      created_at timestamptz not null default now(),
      available_at timestamptz not null,
      sent_at timestamptz,
      settled_at timestamptz,
      given_back integer not null default 0,
      unique (queue, id)
    )`
  yield* sql`create index job_outbox_unsent on ${sql(outboxTable)} (queue, sequence) where sent_at is null`
  yield* sql`create index job_outbox_unsettled on ${sql(outboxTable)} (queue, created_at) where settled_at is null`
  yield* sql`
    create index job_outbox_groups on ${sql(outboxTable)} (queue, group_key, sequence) where settled_at is null`
  yield* sql`create index job_outbox_settled on ${sql(outboxTable)} (settled_at) where settled_at is not null`
  // As for the jobs: whoever serves a request may add one and nothing more, for those of all tenants are here.
  yield* sql`grant insert on ${sql(outboxTable)} to ${sql(applicationRole)}`
  yield* sql`grant select (queue, id) on ${sql(outboxTable)} to ${sql(applicationRole)}`

  // Who does what only one process may do at a time; a token that grows tells a holder of before from the one of now.
  yield* sql`
    create table ${sql(leasesTable)} (
      name text primary key,
      holder uuid not null,
      token bigint not null,
      expires_at timestamptz not null
    )`
})
