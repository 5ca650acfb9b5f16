import { outboxTable } from "@devops-mcp/queue/JobsTable"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** How often a job was sent again because its message was taken for lost: messages of before count no more. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`alter table ${sql(outboxTable)} add column resent integer not null default 0`
})
