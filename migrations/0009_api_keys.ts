import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Keys of earlier versions are found by their SHA-256; they get a lookup id of their own when they are next used.
  yield* sql`
    alter table api_keys
      add column lookup_id text,
      add column scheme text not null default 'sha256' check (scheme in ('sha256', 'hmac-sha256')),
      add column prefix text,
      add column scopes text[],
      add column last_used_at timestamptz`
  // Forced row-level security hides all rows from the owner too, who may be no superuser.
  yield* sql`alter table api_keys no force row level security`
  yield* sql`update api_keys set lookup_id = hash`
  yield* sql`alter table api_keys force row level security`
  yield* sql`
    alter table api_keys
      alter column lookup_id set not null,
      alter column scheme drop default,
      add constraint api_keys_lookup_id_key unique (lookup_id),
      drop constraint api_keys_hash_key`
})
