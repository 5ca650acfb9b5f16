import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Until PostgreSQL 14 everybody may create what they like in the schema `public`, also the roles of the application. Who
 * migrates may not always change that, and later versions have nothing to change.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    do $$ begin
      revoke create on schema public from public;
    exception when insufficient_privilege then
      raise notice 'Everybody may create objects in the schema public: its owner should revoke that';
    end $$`
})
