import { applicationRole, isolate, systemRole } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Where every chain begins, as core/audit/AuditChain has it. */
const genesis = "0".repeat(64)

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const system = sql(systemRole)

  // Rows from before the chain cannot be chained after the fact; where there are any, they are kept as they are.
  yield* sql`alter table audit_log no force row level security`
  yield* sql`
    do $$ begin
      if exists (select from audit_log) then
        alter table audit_log rename to audit_log_unchained;
        alter table audit_log_unchained rename constraint audit_log_pkey to audit_log_unchained_pkey;
        alter index audit_log_newest rename to audit_log_unchained_newest;
        drop policy system_insert on audit_log_unchained;
        revoke insert on audit_log_unchained from ${sql(applicationRole)}, ${system};
        alter table audit_log_unchained force row level security;
      else
        drop table audit_log;
      end if;
    end $$`

  // Where each tenant's chain ends and, once retention has dropped rows, where what is left begins.
  yield* sql`
    create table audit_heads (
      tenant_id uuid primary key references tenants (id),
      seq bigint not null,
      hash text not null,
      seal text not null,
      recorded_at timestamptz not null,
      unsealed_seq bigint not null default 0,
      anchor_seq bigint not null default 0,
      anchor_hash text not null default '${sql.literal(genesis)}',
      anchor_seal text not null default ''
    )`
  yield* isolate("audit_heads", ["select"])
  yield* sql`create policy system_select on audit_heads for select to ${system} using (true)`
  yield* sql`create policy system_insert on audit_heads for insert to ${system} with check (true)`
  yield* sql`create policy system_update on audit_heads for update to ${system} using (true) with check (true)`
  yield* sql`grant select, insert, update on audit_heads to ${system}`

  // By the time of writing, which never goes back along a chain, so that a dropped month is always a chain's beginning.
  // A row has its tenant by its head, which is there before it.
  yield* sql`
    create table audit_log (
      id uuid not null,
      tenant_id uuid not null,
      seq bigint not null,
      actor text not null,
      credential text not null,
      action text not null,
      target text,
      outcome text not null,
      changes boolean not null,
      request_id text not null,
      address text,
      duration_ms double precision not null,
      occurred_at timestamptz not null,
      recorded_at timestamptz not null,
      prev_hash text not null,
      hash text not null,
      primary key (tenant_id, seq, recorded_at)
    ) partition by range (recorded_at)`
  yield* sql`create index audit_log_actor on audit_log (tenant_id, actor, seq desc)`
  yield* isolate("audit_log", ["select"])
  // Enough to append and to find a chain's last row in a month, and nothing of what anybody did.
  yield* sql`create policy system_select on audit_log for select to ${system} using (true)`
  yield* sql`create policy system_insert on audit_log for insert to ${system} with check (true)`
  yield* sql`grant select (id, tenant_id, seq, hash, recorded_at), insert on audit_log to ${system}`

  // With the rights of their owner, who alone may make and drop tables. Each takes a month and can do nothing else.
  yield* sql`
    create function audit_make_partition(month date) returns void language plpgsql security definer
    set search_path from current
    as $$
    declare
      first date := date_trunc('month', month)::date;
      name text := 'audit_log_' || to_char(first, 'YYYY_MM');
    begin
      if to_regclass(name) is not null then return; end if;
      perform pg_advisory_xact_lock(hashtextextended(name, 0));
      if to_regclass(name) is not null then return; end if;
      execute format(
        'create table %I partition of audit_log for values from (%L) to (%L)',
        name, first || ' 00:00:00+00', (first + interval '1 month')::date || ' 00:00:00+00');
      execute format('alter table %I enable row level security', name);
      execute format('alter table %I force row level security', name);
    end $$`
  // A month that ended less than thirty days ago is never dropped, whoever asks.
  yield* sql`
    create function audit_drop_partition(month date) returns void language plpgsql security definer
    set search_path from current
    as $$
    declare
      first date := date_trunc('month', month)::date;
    begin
      if first + interval '1 month' > (now() at time zone 'utc') - interval '30 days' then
        raise exception 'The audit log of % is too young to be dropped', first;
      end if;
      execute format('drop table %I', 'audit_log_' || to_char(first, 'YYYY_MM'));
    end $$`
  for (const name of ["audit_make_partition", "audit_drop_partition"]) {
    yield* sql`revoke execute on function ${sql(name)}(date) from public`
    yield* sql`grant execute on function ${sql(name)}(date) to ${system}`
  }
  yield* sql`
    select audit_make_partition(((now() at time zone 'utc')::date + make_interval(months => ahead))::date)::text
    from generate_series(0, 3) as ahead`
})
