import { Job } from "@devops-mcp/contract/Jobs"
import { JobQueue, QueueError } from "@devops-mcp/core/ports/JobQueue"
import { jobDuration, jobs } from "@devops-mcp/observability/Metrics"
import { jobAttempts, jobRetry } from "@devops-mcp/resilience/Policies"
import { Cause, Clock, Duration, Effect, Exit, Layer, Metric, type Schedule, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { SqlClient, type SqlError } from "effect/sql"
import { jobsTable } from "./JobsTable.ts"

const queueName = "ingest"

/** A worker on another machine learns of a job by asking; in the same process it is told at once. */
const pollEvery = Duration.millis(500)

/** A worker that died keeps its jobs this long, and a live one says so this often. */
const lease = { lockExpiration: Duration.seconds(20), lockRefreshInterval: Duration.seconds(5) }

const StatsRow = Schema.Struct({
  depth: Schema.Int,
  inFlight: Schema.Int,
  deadLetters: Schema.Int,
  oldestAgeSeconds: Schema.Finite
})

const DeadLetterRow = Schema.Struct({
  id: Schema.String,
  error: Schema.String,
  attempts: Schema.Int,
  // A payload that is not even JSON is what its dead letter is about, so it is shown as it is.
  payload: Schema.Union([Schema.fromJsonString(Schema.Json), Schema.String])
})

type Operation = QueueError["operation"]

const sqlFailed = (operation: Operation) => (error: SqlError.SqlError) =>
  new QueueError({ operation, retryable: error.reason.isRetryable, cause: error })

const storeFailed = (operation: Operation) => (cause: PersistedQueue.PersistedQueueError | Schema.SchemaError) =>
  new QueueError({ operation, retryable: cause._tag === "PersistedQueueError", cause })

const isStoreFailure = Schema.is(PersistedQueue.PersistedQueueError)

export interface PostgresJobQueueOptions {
  /** No other process can be on this store, so leases found at the start are of a process that died. */
  readonly exclusive: boolean
  /** How often a job is tried, the time between attempts, and between two looks for jobs of others; tests hurry. */
  readonly attempts?: number
  readonly retry?: Schedule.Schedule<unknown, number>
  readonly pollInterval?: Duration.Duration
}

/** Jobs in Postgres by Effect's `PersistedQueue`: an `offer` joins the transaction of the change that caused it. */
const make = Effect.fn("PostgresJobQueue.make")(function* ({
  attempts: maxAttempts = jobAttempts,
  exclusive,
  retry = jobRetry
}: PostgresJobQueueOptions) {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* PersistedQueue.make({
    name: queueName,
    schema: Job,
    maxAttempts,
    retrySchedule: retry
  })
  const decodeStats = Schema.decodeUnknownEffect(Schema.NonEmptyArray(StatsRow))
  const decodeDeadLetters = Schema.decodeUnknownEffect(Schema.Array(DeadLetterRow))

  if (exclusive) {
    yield* sql`update ${sql(jobsTable)} set acquired_at = null, acquired_by = null where state = 'pending'`
  }

  const attempt = Effect.fnUntraced(function* <E, R>(type: string, number: number, run: Effect.Effect<void, E, R>) {
    const startedAt = yield* Clock.currentTimeMillis
    const exit = yield* Effect.exit(run)
    const interrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    const outcome = Exit.isSuccess(exit)
      ? "done"
      : interrupted
        ? "interrupted"
        : number >= maxAttempts
          ? "dead"
          : "retried"
    yield* Metric.update(Metric.withAttributes(jobs, { type, outcome }), 1)
    yield* Metric.update(
      Metric.withAttributes(jobDuration, { type }),
      ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    )
    if (Exit.isFailure(exit) && !interrupted) {
      yield* outcome === "dead"
        ? Effect.logError("A job was given up and is now a dead letter", exit.cause)
        : Effect.logWarning("A job failed and will be tried again", exit.cause)
    }
    yield* exit
  })

  return JobQueue.of({
    offer: Effect.fn("JobQueue.offer")(function* (job, options) {
      yield* Effect.mapError(queue.offer(job, options), storeFailed("offer"))
    }),
    take: (handler) =>
      queue
        .take((job, { attempts, id }) =>
          attempt(
            job._tag,
            attempts,
            handler(job, { id, attempt: attempts, lastAttempt: attempts >= maxAttempts })
          ).pipe(Effect.annotateLogs({ job: id, type: job._tag, attempt: attempts }))
        )
        .pipe(
          // The store has put a failed job back or aside; only its own failures and interruption concern the caller.
          Effect.catchCause((cause) => {
            const failure = Cause.findErrorOption(cause)
            if (failure._tag === "Some" && isStoreFailure(failure.value)) {
              return Effect.fail(storeFailed("take")(failure.value))
            }
            return Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.void
          }),
          Effect.asVoid
        ),
    stats: Effect.gen(function* () {
      const rows = yield* sql`
        select
          count(*) filter (where state = 'pending' and acquired_at is null)::int as depth,
          count(*) filter (where state = 'pending' and acquired_at is not null)::int as in_flight,
          count(*) filter (where state = 'failed')::int as dead_letters,
          coalesce(extract(epoch from now()::timestamp - min(created_at) filter (where state = 'pending')), 0)::float8
            as oldest_age_seconds
        from ${sql(jobsTable)} where queue_name = ${queueName} and state <> 'completed'`.pipe(
        Effect.mapError(sqlFailed("stats"))
      )
      const [stats] = yield* Effect.orDie(decodeStats(rows))
      return { name: queueName, ...stats }
    }).pipe(Effect.withSpan("JobQueue.stats")),
    deadLetters: Effect.fn("JobQueue.deadLetters")(function* (limit) {
      const rows = yield* sql`
        select id, coalesce(last_failure, 'unknown') as error, attempts, element as payload
        from ${sql(jobsTable)} where queue_name = ${queueName} and state = 'failed'
        order by sequence desc limit ${limit}`.pipe(Effect.mapError(sqlFailed("deadLetters")))
      return yield* Effect.orDie(decodeDeadLetters(rows))
    }),
    redrive: Effect.fn("JobQueue.redrive")(function* (ids) {
      const which = ids === undefined ? sql`` : sql`and id in ${sql.in(ids)}`
      const rows = yield* sql`
        update ${sql(jobsTable)} set
          state = 'pending', attempts = 0, visible_at = now(), updated_at = now(), acquired_at = null, acquired_by = null
        where queue_name = ${queueName} and state = 'failed' ${which} returning id`.pipe(
        Effect.mapError(sqlFailed("redrive"))
      )
      return rows.length
    })
  })
})

/** The queue on whatever SQL client is provided; completed jobs are kept a while, so that a repeated offer is known. */
export const PostgresJobQueue = (options: PostgresJobQueueOptions) =>
  Layer.effect(JobQueue, make(options)).pipe(
    Layer.provide(PersistedQueue.layer),
    Layer.provideMerge(PersistedQueue.layerCleanup()),
    Layer.provide(
      PersistedQueue.layerStoreSql({ tableName: jobsTable, pollInterval: options.pollInterval ?? pollEvery, ...lease })
    )
  )
