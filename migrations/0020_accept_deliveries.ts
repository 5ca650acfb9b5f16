import { applicationRole, tenantSetting } from "@devops-mcp/database/TenantIsolation"
import { jobsTable, outboxTable } from "@devops-mcp/queue/JobsTable"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Deliveries and their jobs by one statement that is a transaction of its own, with one round trip. It enters its tenant
 * itself, as the application's role: its caller has no rights of its own here that it would not have otherwise.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create function accept_deliveries(
      of_tenant uuid, ids uuid[], webhook_ids uuid[], sources text[], external_ids text[], event_types text[],
      payloads text[], payload_keys text[], received timestamptz[],
      to_outbox boolean, job_ids text[], queues text[], groups text[], contents text[], traceparents text[], delays float8[]
    ) returns table (accepted_id uuid, duplicate boolean) language plpgsql
    as $$
    declare
      fresh uuid[];
    begin
      perform set_config('role', '${sql.literal(applicationRole)}', true),
        set_config('${sql.literal(tenantSetting)}', of_tenant::text, true);

      -- Keys in one order, so that two who take the same deliveries in do not wait for each other in a circle.
      with given as (
        select * from unnest(ids, webhook_ids, sources, external_ids, event_types, payloads, payload_keys, received)
          as delivery (id, webhook_id, source, external_id, event_type, payload, payload_key, received_at)
      ), key as (
        insert into delivery_keys (tenant_id, webhook_id, external_id, delivery_id, received_at)
        select of_tenant, webhook_id, external_id, id, received_at from given order by webhook_id, external_id
        on conflict (tenant_id, webhook_id, external_id) do nothing returning *
      ), kept as (
        insert into deliveries
          (id, tenant_id, webhook_id, source, external_id, event_type, payload, payload_key, received_at)
        select key.delivery_id, key.tenant_id, key.webhook_id, given.source, key.external_id, given.event_type,
          given.payload::jsonb, given.payload_key, key.received_at
        from key join given on given.id = key.delivery_id
      )
      select array_agg(delivery_id) into fresh from key;

      if to_outbox then
        insert into ${sql(outboxTable)} (queue, id, group_key, body, traceparent, available_at)
        select queue, id, group_key, content, traceparent, clock_timestamp() + make_interval(secs => delay)
        from unnest(ids, queues, job_ids, groups, contents, traceparents, delays) with ordinality
          as job (delivery_id, queue, id, group_key, content, traceparent, delay, place)
        where delivery_id = any (fresh) order by place
        on conflict (queue, id) do nothing;
      else
        -- As the queue's library writes them.
        insert into ${sql(jobsTable)} (id, queue_name, element, state, attempts, visible_at, created_at, updated_at)
        select id, queue, content, 'pending', 0,
          case delay when 0 then now() else clock_timestamp() + make_interval(secs => delay) end, now(), now()
        from unnest(ids, queues, job_ids, contents, delays) with ordinality
          as job (delivery_id, queue, id, content, delay, place)
        where delivery_id = any (fresh) order by place
        on conflict (id, queue_name) do nothing;
      end if;

      if cardinality(fresh) = cardinality(ids) then
        return query select unnest(ids), false;
      else
        -- Whoever was first has committed since the statement above began, and this one sees it.
        return query
          select k.delivery_id, k.delivery_id <> given.id
          from unnest(ids, webhook_ids, external_ids) with ordinality as given (id, webhook_id, external_id, place)
          join delivery_keys k on k.tenant_id = of_tenant
            and k.webhook_id = given.webhook_id and k.external_id = given.external_id
          order by given.place;
      end if;
    end $$`
})
