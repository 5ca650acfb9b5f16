import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`alter table tools add column sealed_credentials text`

  // SQL cannot seal what is there: plain secrets stay until `devops-mcp secrets rotate` moves them, none is added.
  yield* sql`alter table webhooks add column sealed_secret text`
  yield* sql`alter table webhooks alter column secret drop not null`
  yield* sql`
    alter table webhooks add constraint webhooks_one_secret check (num_nonnulls(secret, sealed_secret) = 1)`
})
