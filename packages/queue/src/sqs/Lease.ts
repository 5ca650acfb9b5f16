import { relayLease } from "@devops-mcp/resilience/JobPolicies"
import { Duration, Effect, Option } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type SqlError } from "effect/sql"
import { leasesTable } from "../JobsTable.ts"

/** The right to do what one process does at a time, until it expires; measured by the database's clock. */
export interface Lease {
  /** Grows with each holder, so what one of before still writes can be told. */
  readonly token: string
}

/** Takes a lease that is free, expired or this process's own, which it prolongs. */
export const makeLease = Effect.fnUntraced(function* (name: string) {
  const sql = yield* SqlClient.SqlClient
  const holder = yield* (yield* SecureRandom.SecureRandom).uuidV7()
  const expiry = sql`now() + make_interval(secs => ${Duration.toSeconds(relayLease)})`

  const acquire: Effect.Effect<Option.Option<Lease>, SqlError.SqlError> = sql<Lease>`
    insert into ${sql(leasesTable)} as lease (name, holder, token, expires_at)
    values (${name}, ${holder}, 1, ${expiry})
    on conflict (name) do update set
      token = case when lease.holder = excluded.holder then lease.token else lease.token + 1 end,
      holder = excluded.holder, expires_at = excluded.expires_at
    where lease.holder = excluded.holder or lease.expires_at < now()
    returning token::text as token`.pipe(Effect.map(([lease]) => Option.fromUndefinedOr(lease)))

  const release = sql`update ${sql(leasesTable)} set expires_at = now() where name = ${name} and holder = ${holder}`

  /** A condition for statements: the lease is still this holder's. */
  const isHeld = ({ token }: Lease) =>
    sql`exists (select from ${sql(leasesTable)} where name = ${name} and token = ${token}::bigint and expires_at > now())`

  const holds = (lease: Lease) =>
    Effect.map(sql<{ readonly held: boolean }>`select ${isHeld(lease)} as held`, ([row]) => row?.held === true)

  return { acquire, release: Effect.asVoid(release), isHeld, holds }
})
