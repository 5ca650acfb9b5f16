import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The secret before the newest one, which verifies until its time is over.
  yield* sql`
    alter table webhooks
      add column previous_sealed_secret text,
      add column previous_expires_at timestamptz,
      add constraint webhooks_previous_secret check (num_nonnulls(previous_sealed_secret, previous_expires_at) <> 1)`
})
