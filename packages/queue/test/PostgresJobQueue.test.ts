import { Job } from "@devops-mcp/contract/Jobs"
import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { DeliveryId, DocumentId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import { PostgresJobQueue, type PostgresJobQueueOptions } from "@devops-mcp/queue/PostgresJobQueue"
import { jobQueueConformance } from "@devops-mcp/testing/conformance/JobQueue"
import { anySealedText, eventTime, freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Queue, Ref, References, Schedule, Tracer } from "effect"
import { SqlClient } from "effect/sql"

const attempts = 3

const quick = {
  attempts,
  retry: Schedule.spaced(0),
  outageDelay: () => Duration.zero,
  pollInterval: Duration.millis(10)
}

const quiet = Layer.succeed(References.MinimumLogLevel, "None")

/** What the queue keeps its dead letters with. */
const Services = Layer.merge(RepositoriesLive, NodeCrypto.layer)

const queueName = "documents"

jobQueueConformance(
  "Postgres",
  PostgresJobQueue({ exclusive: true, ...quick }).pipe(
    Layer.provideMerge(Services),
    Layer.provideMerge(Layer.merge(TestDatabase, quiet))
  ),
  {
    attempts,
    keepsOrder: false,
    // A claim that nobody answers; its lease is over.
    workerDies: (queue) =>
      Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql`update jobs set attempts = attempts + 1 where queue_name = ${queue} and state = 'pending'`
      )
  }
)

/** Another process on the same database, as long as the test's scope. */
const worker = (options: Partial<PostgresJobQueueOptions> = {}) =>
  Effect.map(
    Layer.build(Layer.provide(Layer.fresh(PostgresJobQueue({ exclusive: false, ...quick, ...options })), Services)),
    (context) => Context.get(context, JobQueue)
  )

const figures = (queue: JobQueue["Service"] | undefined) =>
  Effect.map(queue?.stats ?? Effect.succeed([]), (all) => all.find(({ name }) => name === queueName))

const empty = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)

/** What a worker that died leaves behind: its lease, taken that long ago. */
const leasedFor = (age: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`update jobs set acquired_at = now() - ${age}::interval where acquired_at is not null`
  )

const newJob = () => Job.cases.IngestDocument.make({ tenantId: freshId(TenantId), documentId: freshId(DocumentId) })

/** A tracer that sees the library look for jobs; `looked` waits for the end of the next look. */
const makeLooks = Effect.gen(function* () {
  const looks = yield* Queue.unbounded<void>()
  class Statement extends Tracer.NativeSpan {
    override end(...ended: Parameters<Tracer.NativeSpan["end"]>) {
      super.end(...ended)
      if (String(this.attributes.get("db.query.text")).includes("FOR UPDATE SKIP LOCKED")) {
        Queue.offerUnsafe(looks, undefined)
      }
    }
  }
  return { looked: Queue.take(looks), tracer: Tracer.make({ span: (options) => new Statement(options) }) }
})

/** Starts on a job and does not end before it is told to. */
const held = Effect.fnUntraced(function* (queue: JobQueue["Service"]) {
  const [started, finish] = [yield* Deferred.make<number>(), yield* Deferred.make<void>()]
  const fiber = yield* Effect.forkChild(
    queue.take(queueName, {
      run: (_, { attempt }) => Effect.andThen(Deferred.succeed(started, attempt), Deferred.await(finish))
    })
  )
  return { attempt: yield* Deferred.await(started), finish: Deferred.succeed(finish, undefined), fiber }
})

layer(Layer.merge(TestDatabase, quiet), { excludeTestServices: true, timeout: "60 seconds" })(
  "PostgresJobQueue",
  (it) => {
    it.effect("two processes share the jobs and never one of them", () =>
      Effect.gen(function* () {
        yield* empty
        const workers = [yield* worker(), yield* worker()]
        const ids = Array.from({ length: 32 }, (_, index) => `job ${index}`)
        const seen = yield* Ref.make<ReadonlyArray<string>>([])
        const share = (queue: JobQueue["Service"]) =>
          Effect.replicateEffect(
            queue.take(queueName, { run: (_, { id }) => Ref.update(seen, (ids) => [...ids, id]) }),
            8
          )
        const takers = yield* Effect.forkChild(
          Effect.forEach([...workers, ...workers], share, { concurrency: "unbounded" })
        )
        yield* Effect.forEach(ids, (id, index) => workers[index % 2]?.offer(newJob(), { id }) ?? Effect.void)
        yield* Fiber.join(takers)
        assert.sameMembers([...(yield* Ref.get(seen))], ids)
        assert.deepInclude(yield* figures(workers[0]), { depth: 0, inFlight: 0 })
      })
    )

    it.effect("a job whose lease ran out is taken by another, and the first one's end no longer counts", () =>
      Effect.gen(function* () {
        yield* empty
        const [dead, alive] = [yield* worker(), yield* worker()]
        yield* dead.offer(newJob(), { id: "slow" })
        const first = yield* held(dead)
        yield* leasedFor("50 seconds")
        assert.deepInclude(yield* figures(alive), { depth: 0, inFlight: 1 })
        yield* leasedFor("2 minutes")
        const second = yield* held(alive)
        assert.deepStrictEqual([first.attempt, second.attempt], [1, 2])
        yield* first.finish
        yield* Fiber.join(first.fiber)
        assert.deepInclude(yield* figures(alive), { depth: 0, inFlight: 1 })
        yield* second.finish
        yield* Fiber.join(second.fiber)
        assert.deepInclude(yield* figures(alive), { depth: 0, inFlight: 0 })
      })
    )

    it.effect("a lease that is still good is respected by other processes, but not by one that is alone", () =>
      Effect.gen(function* () {
        yield* empty
        const died = yield* worker()
        yield* died.offer(newJob(), { id: "orphan" })
        yield* held(died)
        const polite = yield* worker()
        assert.deepInclude(yield* figures(polite), { depth: 0, inFlight: 1 })
        const alone = yield* worker({ exclusive: true })
        assert.deepInclude(yield* figures(alone), { depth: 1, inFlight: 0 })
        const { attempt, fiber, finish } = yield* held(alone)
        assert.strictEqual(attempt, 2)
        yield* finish
        yield* Fiber.join(fiber)
      })
    )

    it.effect("what no longer decodes becomes a dead letter that can be read, and the next job is taken", () =>
      Effect.gen(function* () {
        yield* empty
        const [queue, sql] = [yield* worker(), yield* SqlClient.SqlClient]
        yield* queue.offer(newJob(), { id: "renamed" })
        yield* queue.offer(newJob(), { id: "garbled" })
        yield* sql`update jobs set element = '{"_tag":"OfAnOldVersion"}' where id = 'renamed'`
        yield* sql`update jobs set element = 'no json' where id = 'garbled'`
        yield* queue.offer(newJob(), { id: "good" })
        const first = yield* freshTenant
        const taken: Array<string> = []
        yield* Effect.replicateEffect(
          queue.take(queueName, { run: (_, { id }) => Effect.sync(() => void taken.push(id)) }),
          2
        )
        assert.deepStrictEqual(taken, ["good"])
        const letters = yield* (yield* DeadLetterRepository).list(first, queueName, { limit: 10 })
        assert.deepStrictEqual(
          letters.items.map(({ jobId, payload, type }) => [jobId, payload, type]),
          [["renamed", { _tag: "OfAnOldVersion" }, "unknown"]]
        )
        assert.include(letters.items[0]?.error, "IngestDocument")
        // What nobody could have offered stays where it is, out of the way.
        const kept = yield* sql`select state from jobs where id = 'garbled'`
        assert.deepStrictEqual(kept, [{ state: "failed" }])
      }).pipe(Effect.provide(Services))
    )

    it.effect("who waits is woken by jobs that a repository has written, at once and once", () =>
      Effect.gen(function* () {
        yield* empty
        const [webhooks, tenantId] = [yield* WebhookRepository, yield* freshTenant]
        const { looked, tracer } = yield* makeLooks
        const queue = yield* worker({ pollInterval: Duration.hours(1) }).pipe(
          Effect.provideService(Tracer.Tracer, tracer)
        )
        const id = freshId(WebhookId)
        yield* webhooks.create(tenantId, { id, source: "github", name: "hook", createdAt: eventTime }, anySealedText)
        const accept = Effect.fnUntraced(function* (externalId: string) {
          const delivery = {
            id: freshId(DeliveryId),
            webhookId: id,
            source: "github" as const,
            externalId,
            eventType: "push",
            payload: null,
            receivedAt: eventTime
          }
          const prepared = yield* queue.prepare([{ id: externalId, job: newJob() }])
          yield* webhooks.accept(tenantId, [delivery], prepared)
          yield* prepared.written(prepared.rows)
        })
        const taken: Array<string> = []
        const take = queue.take(queueName, { run: (_, { id }) => Effect.sync(() => void taken.push(id)) })
        for (const name of ["first", "second"]) {
          const taker = yield* Effect.forkChild(take, { startImmediately: true })
          // It has found nothing, and would look again in an hour.
          yield* looked
          yield* accept(name)
          yield* Fiber.join(taker)
        }
        assert.deepStrictEqual(taken, ["first", "second"])
        assert.deepInclude(yield* figures(queue), { depth: 0, inFlight: 0 })
      }).pipe(Effect.provide(Services))
    )

    it.effect("a job waits for its delay, and between attempts for the schedule, and holds up no other", () =>
      Effect.gen(function* () {
        yield* empty
        const [queue, sql] = [yield* worker({ retry: Schedule.spaced("2 hours") }), yield* SqlClient.SqlClient]
        const ids: Array<string> = []
        const take = queue.take(queueName, {
          run: (_, { id }) => {
            ids.push(id)
            return id === "failing" ? Effect.fail("not now") : Effect.void
          }
        })
        yield* queue.offer(newJob(), { id: "delayed", delay: Duration.hours(1) })
        yield* queue.offer(newJob(), { id: "failing" })
        yield* take
        yield* queue.offer(newJob(), { id: "next" })
        yield* take
        assert.deepStrictEqual(ids, ["failing", "next"])
        const waits = yield* sql<{ readonly id: string; readonly minutes: number }>`
        select id, round(extract(epoch from visible_at - now()::timestamp) / 60)::int as minutes
        from jobs where state = 'pending' order by visible_at`
        assert.deepStrictEqual(
          waits.map(({ id, minutes }) => [id, minutes]),
          [
            ["delayed", 60],
            ["failing", 120]
          ]
        )
        assert.deepInclude(yield* figures(queue), { depth: 2, inFlight: 0 })
      })
    )

    it.effect("says when the database does not answer", () =>
      Effect.gen(function* () {
        yield* empty
        const [queue, sql] = [yield* worker(), yield* SqlClient.SqlClient]
        yield* sql`alter table jobs rename to elsewhere`
        const tags = yield* Effect.forEach([queue.stats, queue.offer(newJob(), { id: "x" })], (call) =>
          Effect.map(Effect.flip(Effect.asVoid(call)), (error) => error.operation)
        ).pipe(Effect.ensuring(Effect.orDie(sql`alter table elsewhere rename to jobs`)))
        assert.deepStrictEqual(tags, ["stats", "offer"])
      })
    )
  }
)
