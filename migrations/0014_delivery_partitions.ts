import { isolate, openToSystem, systemRole } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Tables with a partition for each month of `received_at`, and one for what no month is made for. */
const monthly = "'deliveries', 'events'"

/** Has only the system role call what runs with the rights of the owner. */
const forSystemOnly = Effect.fnUntraced(function* (signature: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`revoke execute on function ${sql.literal(signature)} from public`
  yield* sql`grant execute on function ${sql.literal(signature)} to ${sql(systemRole)}`
})

/** Months of UTC, whatever the server's time zone. Each function takes one of the tables and can do nothing else. */
const makeFunctions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = sql.literal(monthly)
  // Filled before it is attached, so that rows that came too early for their month do not hold it up.
  yield* sql`
    create function make_partition(parent text, month date) returns void language plpgsql security definer
    set search_path from current
    as $$
    declare
      first date := date_trunc('month', month)::date;
      name text := parent || '_' || to_char(first, 'YYYY_MM');
      fallback text := parent || '_default';
      since text := to_char(first, 'YYYY-MM-DD') || ' 00:00:00+00';
      until text := to_char(first + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00';
    begin
      if parent not in (${tables}) then raise exception '% has no months', parent; end if;
      if to_regclass(name) is not null then return; end if;
      perform pg_advisory_xact_lock(hashtextextended(name, 0));
      if to_regclass(name) is not null then return; end if;
      execute format('create table %I (like %I including all)', name, parent);
      execute format('lock table %I in access exclusive mode', fallback);
      execute format('alter table %I no force row level security', fallback);
      execute format(
        'with early as (delete from %I where received_at >= %L and received_at < %L returning *)
         insert into %I select * from early',
        fallback, since, until, name);
      execute format('alter table %I force row level security', fallback);
      execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, since, until);
      execute format('alter table %I enable row level security', name);
      execute format('alter table %I force row level security', name);
    end $$`
  yield* forSystemOnly("make_partition(text, date)")

  // A file without a page is how it finds that there is nothing to do, without a lock.
  yield* sql`
    create function settle_default_partition(parent text) returns void language plpgsql security definer
    set search_path from current
    as $$
    declare
      fallback text := parent || '_default';
      months date[];
      month date;
      is_empty boolean;
    begin
      if parent not in (${tables}) then raise exception '% has no months', parent; end if;
      if pg_relation_size(to_regclass(fallback)) = 0 then return; end if;
      execute format('lock table %I in access exclusive mode', fallback);
      execute format('alter table %I no force row level security', fallback);
      execute format(
        'select array(select distinct date_trunc(''month'', received_at at time zone ''utc'')::date from %I)', fallback
      ) into months;
      foreach month in array months loop
        perform make_partition(parent, month);
      end loop;
      execute format('alter table %I no force row level security', fallback);
      execute format('select not exists (select from %I)', fallback) into is_empty;
      if is_empty then execute format('truncate %I', fallback); end if;
      execute format('alter table %I force row level security', fallback);
    end $$`
  yield* forSystemOnly("settle_default_partition(text)")

  // A month that ended less than a day ago is never dropped, whoever asks.
  yield* sql`
    create function drop_partition(parent text, month date) returns void language plpgsql security definer
    set search_path from current
    as $$
    declare
      first date := date_trunc('month', month)::date;
    begin
      if parent not in (${tables}) then raise exception '% has no months', parent; end if;
      if first + interval '1 month' > (now() at time zone 'utc') - interval '1 day' then
        raise exception 'The % of % are too young to be dropped', parent, first;
      end if;
      execute format('drop table %I', parent || '_' || to_char(first, 'YYYY_MM'));
    end $$`
  yield* forSystemOnly("drop_partition(text, date)")
})

/** This month and those ahead. */
const makeAhead = Effect.fnUntraced(function* (table: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    select make_partition(${table}, ((now() at time zone 'utc')::date + make_interval(months => ahead))::date)::text
    from generate_series(0, 3) as ahead`
})

/** What is unique for as long as deliveries are kept, in whichever month they came; no table by months can say that. */
const makeKeys = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table delivery_keys (
      tenant_id uuid not null,
      webhook_id uuid not null,
      external_id text not null,
      delivery_id uuid not null,
      received_at timestamptz not null,
      primary key (tenant_id, webhook_id, external_id),
      foreign key (tenant_id, webhook_id) references webhooks (tenant_id, id) on delete cascade
    )`
  yield* sql`create index delivery_keys_age on delivery_keys (received_at)`

  // Payloads outside of the database, noted before they are there. It refers to no delivery: the object outlives it.
  yield* sql`
    create table delivery_objects (
      delivery_id uuid primary key,
      tenant_id uuid not null references tenants (id),
      received_at timestamptz not null
    )`
  yield* sql`create index delivery_objects_age on delivery_objects (received_at)`
})

/** The deliveries that are there move into their months. */
const partitionDeliveries = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Forced row-level security hides all rows from the owner too, who may be no superuser.
  yield* sql`alter table deliveries no force row level security`
  yield* sql`alter table deliveries rename to deliveries_whole`
  yield* sql`alter table deliveries_whole rename constraint deliveries_pkey to deliveries_whole_pkey`
  yield* sql`
    create table deliveries (
      id uuid not null,
      tenant_id uuid not null,
      webhook_id uuid not null,
      source text not null,
      external_id text not null,
      event_type text not null,
      payload jsonb,
      payload_key text,
      received_at timestamptz not null,
      primary key (id, received_at),
      foreign key (tenant_id, webhook_id) references webhooks (tenant_id, id) on delete cascade,
      constraint deliveries_one_payload check (num_nonnulls(payload, payload_key) = 1)
    ) partition by range (received_at)`
  yield* sql`create index deliveries_webhook on deliveries (tenant_id, webhook_id)`
  yield* sql`create table deliveries_default partition of deliveries default`
  yield* sql`alter table deliveries_default enable row level security`
  yield* sql`alter table deliveries_default force row level security`
  yield* sql`
    select make_partition('deliveries', month)::text
    from (select distinct (received_at at time zone 'utc')::date as month from deliveries_whole) as found`
  yield* sql`
    insert into deliveries (id, tenant_id, webhook_id, source, external_id, event_type, payload, received_at)
    select id, tenant_id, webhook_id, source, external_id, event_type, payload, received_at from deliveries_whole`
  yield* sql`
    insert into delivery_keys (tenant_id, webhook_id, external_id, delivery_id, received_at)
    select tenant_id, webhook_id, external_id, id, received_at from deliveries_whole`
  yield* sql`drop table deliveries_whole`
})

/** The first months of events were made in the time zone of the server; what is not UTC's is made again. */
const alignEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`alter table events no force row level security`
  yield* sql`
    do $$
    declare
      part record;
      displaced text[] := '{}';
      name text;
    begin
      for part in
        select relname::text as name, to_date(right(relname, 7), 'YYYY_MM') as month, pg_get_expr(relpartbound, oid) as bounds
        from pg_class where relname ~ '^events_[0-9]{4}_[0-9]{2}$'
          and oid in (select inhrelid from pg_inherits where inhparent = 'events'::regclass)
      loop
        continue when part.bounds = format(
          'FOR VALUES FROM (%L) TO (%L)',
          to_char(part.month, 'YYYY-MM-DD') || ' 00:00:00+00',
          to_char(part.month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
        execute format('alter table events detach partition %I', part.name);
        execute format('alter table %I no force row level security', part.name);
        execute format('alter table %I rename to %I', part.name, part.name || '_displaced');
        displaced := displaced || part.name;
      end loop;
      foreach name in array displaced loop
        perform make_partition('events', to_date(right(name, 7), 'YYYY_MM'));
      end loop;
      foreach name in array displaced loop
        execute format('insert into events select * from %I', name || '_displaced');
        execute format('drop table %I', name || '_displaced');
      end loop;
    end $$`
  yield* sql`select settle_default_partition('events')::text`
  yield* sql`alter table events force row level security`
})

/** What the system role removes when its time is over, and what it must see for that. */
const openToUpkeep = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const system = sql(systemRole)
  const expiring: ReadonlyArray<readonly [table: string, columns: string, condition: string]> = [
    ["delivery_keys", "received_at", "received_at <= now() - interval '1 day'"],
    ["idempotency", "claimed_at", "claimed_at <= now() - interval '30 days'"],
    ["contexts", "id, tenant_id, expires_at", "expires_at <= now()"],
    ["chunks", "tenant_id, kind, ref_id", "kind in ('event', 'context')"]
  ]
  yield* Effect.forEach(
    expiring,
    Effect.fnUntraced(function* ([table, columns, condition]) {
      const gone = sql.literal(condition)
      yield* sql`create policy system_select on ${sql(table)} for select to ${system} using (${gone})`
      yield* sql`create policy system_delete on ${sql(table)} for delete to ${system} using (${gone})`
      yield* sql`grant select (${sql.literal(columns)}), delete on ${sql(table)} to ${system}`
    })
  )
  yield* sql`
    create policy system_delete on api_keys for delete to ${system} using (expires_at <= now() - interval '30 days')`
  yield* sql`grant delete on api_keys to ${system}`
  // No more than which of them there are.
  for (const table of ["deliveries", "events"]) {
    yield* sql`create policy system_select on ${sql(table)} for select to ${system} using (true)`
    yield* sql`grant select (id, received_at) on ${sql(table)} to ${system}`
  }
  yield* openToSystem("delivery_objects", "select")
  yield* sql`create policy system_delete on delivery_objects for delete to ${system} using (true)`
  yield* sql`grant delete on delivery_objects to ${system}`

  yield* sql`create index idempotency_age on idempotency (claimed_at)`
  yield* sql`create index contexts_expiry on contexts (expires_at) where expires_at is not null`
  yield* sql`create index chunks_events on chunks (ref_id) where kind = 'event'`
})

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The bounds of partitions are shown in it.
  yield* sql`select set_config('timezone', 'UTC', true)`
  yield* makeFunctions
  yield* makeKeys
  yield* partitionDeliveries
  yield* alignEvents
  yield* makeAhead("deliveries")
  yield* makeAhead("events")
  yield* isolate("deliveries", ["select", "insert"])
  yield* isolate("delivery_keys", ["select", "insert"])
  yield* isolate("delivery_objects", ["select", "insert"])
  yield* openToUpkeep
})
