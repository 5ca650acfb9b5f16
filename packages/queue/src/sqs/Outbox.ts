import { QueueName } from "@devops-mcp/contract/Jobs"
import type { JobRow } from "@devops-mcp/core/ports/JobQueue"
import { outboxBlocking, outboxStuck, outboxWindow, settledLifetime } from "@devops-mcp/resilience/JobPolicies"
import { Duration, Effect, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { outboxTable } from "../JobsTable.ts"

const OutboxRow = Schema.Struct({
  sequence: Schema.String,
  queue: QueueName,
  id: Schema.String,
  groupKey: Schema.String,
  body: Schema.String,
  traceparent: Schema.NullOr(Schema.String),
  resent: Schema.Int,
  ageSeconds: Schema.Finite
})
export type OutboxRow = typeof OutboxRow.Type

const KnownRow = Schema.Struct({
  id: Schema.String,
  sequence: Schema.String,
  givenBack: Schema.Int,
  /** How often its message was taken for lost; those of before are of no use. */
  resent: Schema.Int,
  isSettled: Schema.Boolean,
  /** An older job of its group has not come to its end. */
  isEarly: Schema.Boolean
})
/** What the queue remembers of a job that it has sent. */
export type KnownJob = typeof KnownRow.Type

const StatsRow = Schema.Struct({ name: QueueName, unsettled: Schema.Int, oldestAgeSeconds: Schema.Finite })

/** The table that jobs for Amazon SQS are written to, with the change that causes them, and are remembered in. */
export const makeOutbox = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const table = sql(outboxTable)
  const decodeRows = Schema.decodeUnknownEffect(Schema.Array(OutboxRow))
  const decodeKnown = Schema.decodeUnknownEffect(Schema.Array(KnownRow))
  const decodeStats = Schema.decodeUnknownEffect(Schema.Array(StatsRow))
  const names = [...QueueName.literals]
  const ago = (duration: Duration.Duration) => sql`now() - make_interval(secs => ${Duration.toSeconds(duration)})`

  /** Its new message has been received by nobody, so it was not given back either. */
  const again = sql.literal("sent_at = null, resent = o.resent + 1, given_back = 0")

  return {
    /** Joins the running transaction; a row that is there stays as it is. */
    add: ({ content, delay, group, id, queue, traceparent }: JobRow) =>
      sql`
        insert into ${table} (queue, id, group_key, body, traceparent, available_at)
        values (${queue}, ${id}, ${group}, ${content}, ${traceparent ?? null},
          clock_timestamp() + make_interval(secs => ${Duration.toSeconds(delay)}))
        on conflict (queue, id) do nothing`,
    /** What is to be sent, of each queue the oldest. */
    unsent: Effect.flatMap(
      sql`
        select row.* from unnest(${names}::text[]) as names (name)
        cross join lateral (
          select o.sequence::text as sequence, o.queue, o.id, o.group_key, o.body, o.traceparent, o.resent,
            extract(epoch from now() - o.available_at)::float8 as age_seconds
          from ${table} o where o.queue = names.name and o.sent_at is null and o.available_at <= now()
          order by o.sequence limit ${outboxWindow}
        ) as row order by row.sequence::bigint`,
      (rows) => Effect.orDie(decodeRows(rows))
    ),
    /** Answers whether the lease under which they were sent is still held. What is to be sent again by now is. */
    markSent: (rows: ReadonlyArray<OutboxRow>, isHeld: Statement.Fragment) =>
      Effect.map(
        sql`
          update ${table} o set sent_at = now()
          from unnest(${rows.map(({ sequence }) => sequence)}::bigint[], ${rows.map(({ resent }) => resent)}::int[])
            as sent (sequence, resent)
          where o.sequence = sent.sequence and o.resent = sent.resent and ${isHeld} returning o.sequence`,
        (marked) => marked.length > 0
      ),
    known: (queue: QueueName, ids: ReadonlyArray<string>) =>
      Effect.flatMap(
        sql`
          select o.id, o.sequence::text as sequence, o.given_back, o.resent,
            o.settled_at is not null as is_settled,
            exists (
              select from ${table} older
              where older.queue = o.queue and older.group_key = o.group_key
                and older.sequence < o.sequence and older.settled_at is null
            ) as is_early
          from ${table} o where o.queue = ${queue} and o.id = any(${[...ids]}::text[])`,
        (rows) => Effect.orDie(decodeKnown(rows))
      ),
    /**
     * When a job has waited for an older one for so long that the older one's message must be lost, all that was sent of
     * their group is sent again, in order: what is sent behind a waiting message would never pass it. Answers how much.
     */
    resendGroup: (queue: QueueName, id: string) =>
      Effect.map(
        sql`
          update ${table} o set ${again}
          from ${table} early
          where early.queue = ${queue} and early.id = ${id}
            and o.queue = early.queue and o.group_key = early.group_key and o.settled_at is null and o.sent_at is not null
            and exists (
              select from ${table} older
              where older.queue = early.queue and older.group_key = early.group_key and older.sequence < early.sequence
                and older.settled_at is null and older.sent_at < ${ago(outboxBlocking)}
            )
          returning o.sequence`,
        (rows) => rows.length
      ),
    settle: (queue: QueueName, ids: ReadonlyArray<string>) =>
      Effect.asVoid(
        sql`
          update ${table} set settled_at = now()
          where queue = ${queue} and id = any(${[...ids]}::text[]) and settled_at is null`
      ),
    giveBack: (queue: QueueName, id: string) =>
      Effect.asVoid(sql`update ${table} set given_back = given_back + 1 where queue = ${queue} and id = ${id}`),
    stats: Effect.flatMap(
      sql`
        select names.name, count(o.id)::int as unsettled,
          coalesce(extract(epoch from now() - min(o.created_at)), 0)::float8 as oldest_age_seconds
        from unnest(${names}::text[]) with ordinality as names (name, place)
        left join ${table} o on o.queue = names.name and o.settled_at is null
        group by names.name, names.place order by names.place`,
      (rows) => Effect.orDie(decodeStats(rows))
    ),
    /** A job whose message SQS moved away is sent again, unless it has come to its end. */
    resend: (queue: QueueName, id: string) =>
      Effect.asVoid(
        sql`
          update ${table} o set ${again}
          where o.queue = ${queue} and o.id = ${id} and o.settled_at is null`
      ),
    /** A message that SQS lost, or dropped at the end of its retention: its job is sent again. Answers how many. */
    resendStuck: Effect.map(
      sql`
        update ${table} o set ${again}
        where o.settled_at is null and o.sent_at < ${ago(outboxStuck)} returning o.sequence`,
      (rows) => rows.length
    ),
    sweep: Effect.asVoid(sql`delete from ${table} where settled_at < ${ago(settledLifetime)}`)
  }
})

export type Outbox = Effect.Success<typeof makeOutbox>
