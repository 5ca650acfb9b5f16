import { type Job, QueueName, queueOf } from "@devops-mcp/contract/Jobs"
import { envelopeOf, JobEnvelope } from "@devops-mcp/core/jobs/JobEnvelope"
import { type JobAttemptsOptions, makeJobAttempts } from "@devops-mcp/core/jobs/JobAttempts"
import { type JobOffer, JobQueue, type JobRow, QueueError } from "@devops-mcp/core/ports/JobQueue"
import { outboxLag } from "@devops-mcp/observability/Metrics"
import { jobRetry } from "@devops-mcp/resilience/JobPolicies"
import { Duration, Effect, Layer, Metric, type Schedule, Schema, Scope } from "effect"
import { PersistedQueue } from "effect/persistence"
import { SqlClient, type SqlError } from "effect/sql"
import { rowsOf } from "./JobRows.ts"
import { jobsTable } from "./JobsTable.ts"

/** A worker on another machine learns of a job by asking; in the same process it is told at once. */
const pollEvery = Duration.millis(500)

/** A worker that died keeps its jobs this long, and a live one says so this often. */
const lease = { lockExpiration: Duration.seconds(20), lockRefreshInterval: Duration.seconds(5) }

/** The library gives up nothing by itself: what cannot be kept as a dead letter yet is tried again. */
const noLimit = 2_147_483_647

const StatsRow = Schema.Struct({
  name: QueueName,
  depth: Schema.Int,
  inFlight: Schema.Int,
  oldestAgeSeconds: Schema.Finite
})

type Operation = QueueError["operation"]

const sqlFailed = (operation: Operation) => (error: SqlError.SqlError) =>
  new QueueError({ operation, retryable: error.reason.isRetryable, cause: error })

const storeFailed = (operation: Operation) => (cause: PersistedQueue.PersistedQueueError | Schema.SchemaError) =>
  new QueueError({ operation, retryable: cause._tag === "PersistedQueueError", cause })

/** Tells the library to try a job again. */
class Again extends Schema.TaggedError<Again>()("@devops-mcp/queue/PostgresJobQueue/Again", {
  id: Schema.String,
  retryAfter: Schema.optionalKey(Schema.Duration),
  /** Whether this attempt is one of those that a job has. */
  counts: Schema.Boolean,
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export interface PostgresJobQueueOptions extends JobAttemptsOptions {
  /** No other process can be on this store, so leases found at the start are of a process that died. */
  readonly exclusive: boolean
  /** The time between attempts, and between two looks for jobs of others; tests hurry. */
  readonly retry?: Schedule.Schedule<unknown, number>
  readonly pollInterval?: Duration.Duration
}

/** Jobs in Postgres by Effect's `PersistedQueue`: an `offer` joins the transaction of the change that caused it. */
const make = Effect.fn("PostgresJobQueue.make")(function* (options: PostgresJobQueueOptions) {
  const { exclusive, retry = jobRetry } = options
  const sql = yield* SqlClient.SqlClient
  const runAttempt = yield* makeJobAttempts(options)
  const queueNamed = (name: QueueName) =>
    PersistedQueue.make({ name, schema: Schema.Json, maxAttempts: noLimit, retrySchedule: retry })
  const queues = {
    deliveries: yield* queueNamed("deliveries"),
    documents: yield* queueNamed("documents"),
    contexts: yield* queueNamed("contexts"),
    tasks: yield* queueNamed("tasks")
  }
  const encode = Schema.encodeEffect(Schema.toCodecJson(JobEnvelope))
  const decodeContent = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))
  const decodeStats = Schema.decodeUnknownEffect(Schema.Array(StatsRow))

  if (exclusive) {
    yield* sql`update ${sql(jobsTable)} set acquired_at = null, acquired_by = null where state = 'pending'`
  }

  /**
   * The library knows the attempts' schedule only, so a job that was asked to wait longer is put off once it is back, and
   * an attempt that does not count is taken off then.
   */
  const putOff = (queue: QueueName, { counts, id, retryAfter }: Again) =>
    retryAfter === undefined
      ? Effect.void
      : Effect.asVoid(sql`
          update ${sql(jobsTable)}
          set visible_at = greatest(visible_at, now() + make_interval(secs => ${Duration.toSeconds(retryAfter)})),
            attempts = attempts - ${counts ? 0 : 1}::int
          where queue_name = ${queue} and id = ${id} and state = 'pending' and acquired_at is null`)

  const offer = Effect.fn("JobQueue.offer")(function* (job: Job, options: JobOffer) {
    const { delay, id } = options
    const content = yield* Effect.orDie(Effect.flatMap(envelopeOf(job, options), encode))
    yield* queues[queueOf[job._tag]]
      .offer(content, delay === undefined ? { id } : { id, delay })
      .pipe(Effect.mapError(storeFailed("offer")))
  })

  const scope = yield* Scope.Scope
  /** Who waits in this process for a job of a queue; who works on one looks for the next when it is done. */
  const waiting = new Map<QueueName, number>()
  const waitingFor = <A, E, R>(queue: QueueName, take: (found: Effect.Effect<void>) => Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      let own: 0 | 1 = 1
      const count = (by: number) => waiting.set(queue, (waiting.get(queue) ?? 0) + by)
      const found = Effect.sync(() => {
        count(-own)
        own = 0
      })
      count(own)
      return Effect.ensuring(take(found), found)
    })

  /** The library wakes who waits when it is offered a job, and leaves one as it is that is there already. */
  const wake = (committed: ReadonlyArray<JobRow>) =>
    Effect.forEach(
      Map.groupBy(committed, ({ queue }) => queue),
      Effect.fnUntraced(function* ([queue, [known]]) {
        if (known === undefined || (waiting.get(queue) ?? 0) === 0) return
        const again = Effect.flatMap(decodeContent(known.content), (content) =>
          queues[queue].offer(content, { id: known.id })
        )
        yield* Effect.forkIn(Effect.ignore(again), scope)
      }),
      { discard: true }
    )

  return JobQueue.of({
    offer,
    prepare: (jobs) => Effect.map(rowsOf(jobs), (rows) => ({ store: "jobs", rows, written: wake })),
    take: (queue, handler) =>
      waitingFor(queue, (found) =>
        queues[queue]
          .take((content, { attempts: attempt, id }) =>
            Effect.flatMap(
              Effect.andThen(found, runAttempt({ queue, queuedId: id, attempt, content }, handler)),
              (verdict) => {
                switch (verdict._tag) {
                  case "Done":
                    return Effect.void
                  case "GivenBack":
                    return Effect.interrupt
                  case "Retry": {
                    const { error: detail, retryAfter } = verdict
                    const wait = retryAfter === undefined ? {} : { retryAfter }
                    return Effect.fail(new Again({ id, detail, counts: true, ...wait }))
                  }
                  case "PutOff": {
                    const { delay: retryAfter, error: detail } = verdict
                    return Effect.fail(new Again({ id, detail, counts: false, retryAfter }))
                  }
                }
              }
            )
          )
          .pipe(
            Effect.catchTag("@devops-mcp/queue/PostgresJobQueue/Again", (again) =>
              Effect.mapError(putOff(queue, again), sqlFailed("take"))
            ),
            Effect.catchTag("PersistedQueueError", (error) => Effect.fail(storeFailed("take")(error))),
            // Its own statements that failed for good are the library's defects.
            Effect.catchDefect((defect) =>
              Effect.fail(new QueueError({ operation: "take", retryable: true, cause: defect }))
            ),
            Effect.asVoid
          )
      ),
    stats: Effect.gen(function* () {
      const rows = yield* sql`
        select names.name,
          count(*) filter (where j.state = 'pending' and j.acquired_at is null)::int as depth,
          count(*) filter (where j.state = 'pending' and j.acquired_at is not null)::int as in_flight,
          coalesce(extract(epoch from now()::timestamp - min(j.created_at)), 0)::float8 as oldest_age_seconds
        from unnest(${[...QueueName.literals]}::text[]) with ordinality as names (name, place)
        left join ${sql(jobsTable)} j on j.queue_name = names.name and j.state = 'pending'
        group by names.name, names.place order by names.place`.pipe(Effect.mapError(sqlFailed("stats")))
      return yield* Effect.orDie(decodeStats(rows))
    }).pipe(Effect.withSpan("JobQueue.stats")),
    // A job is in its queue as soon as its transaction has ended.
    upkeep: Effect.andThen(Metric.update(outboxLag, 0), Effect.never)
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
