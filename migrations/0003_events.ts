import { isolate, openToSystem } from "@devops-mcp/database/TenantIsolation"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table webhooks (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      source text not null,
      name text not null,
      secret text not null,
      created_at timestamptz not null,
      unique (tenant_id, id)
    )`
  yield* isolate("webhooks")
  yield* openToSystem("webhooks", "select")

  yield* sql`
    create table deliveries (
      id uuid primary key,
      tenant_id uuid not null,
      webhook_id uuid not null,
      source text not null,
      external_id text not null,
      event_type text not null,
      payload jsonb not null,
      received_at timestamptz not null,
      unique (tenant_id, webhook_id, external_id),
      foreign key (tenant_id, webhook_id) references webhooks (tenant_id, id) on delete cascade
    )`
  yield* isolate("deliveries", ["select", "insert"])

  // Partitioned by our own clock, so that no sender decides where a row goes.
  yield* sql`
    create table events (
      id uuid not null,
      tenant_id uuid not null references tenants (id),
      source text not null,
      type text not null,
      action text,
      repository text,
      actor text,
      title text not null,
      summary text not null,
      url text,
      occurred_at timestamptz not null,
      received_at timestamptz not null,
      delivery_id uuid not null,
      status text not null,
      primary key (id, received_at)
    ) partition by range (received_at)`
  yield* sql`create index events_newest on events (tenant_id, id desc)`
  yield* sql`create index events_repository on events (tenant_id, repository, id desc)`
  yield* sql`create index events_type on events (tenant_id, type, id desc)`
  yield* isolate("events", ["select", "insert", "update"])

  // Half a year of months; what comes later goes to the default partition until more are made.
  yield* sql`
    do $$
    declare
      first date := date_trunc('month', now() at time zone 'utc')::date;
      month date;
      name text;
    begin
      for i in 0..5 loop
        month := (first + make_interval(months => i))::date;
        name := 'events_' || to_char(month, 'YYYY_MM');
        execute format(
          'create table %I partition of events for values from (%L) to (%L)',
          name, month, (month + interval '1 month')::date);
      end loop;
      create table events_default partition of events default;
    end $$`
  // Nobody but the owner has rights on a partition itself; forcing the policy there too costs nothing.
  yield* sql`
    do $$
    declare partition regclass;
    begin
      for partition in select inhrelid::regclass from pg_inherits where inhparent = 'events'::regclass loop
        execute format('alter table %s enable row level security', partition);
        execute format('alter table %s force row level security', partition);
      end loop;
    end $$`
})
