import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The transaction that last changed a row. What has a smaller one than any that still runs is all there is, for ever,
  // so readers in this order miss nothing whatever the order of commits. The server counts 64 bits and never repeats one.
  yield* sql`
    alter table events add column changed_xid bigint not null default (pg_current_xact_id()::text::bigint)`
  yield* sql`create index events_feed on events (tenant_id, changed_xid, id)`
})
