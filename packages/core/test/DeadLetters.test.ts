import type { Job, QueueName } from "@devops-mcp/contract/Jobs"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { type JobMetadata, JobQueue, QueueError } from "@devops-mcp/core/ports/JobQueue"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import type { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import { DeadLetterId, DeliveryId, DocumentId, EventId, type TenantId } from "@devops-mcp/domain/Ids"
import { discardedLifetime } from "@devops-mcp/resilience/JobPolicies"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { embedderDown, signed, UseCases, whileEmbedder } from "./Fakes.ts"

const page = { limit: 200 }

/** A tenant of the test's own and a queue without jobs of other tests. */
const fresh = Effect.gen(function* () {
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)
  return yield* freshTenant
})

const deliveryJob = (tenantId: TenantId): Job => ({
  _tag: "IngestDelivery",
  tenantId,
  deliveryId: freshId(DeliveryId)
})

const refused = new EmbedderError({ operation: "embed", retryable: false, cause: "The key was refused" })

/** Takes one job, which fails for good. */
const failOne = (queue: QueueName) =>
  Effect.flatMap(JobQueue, ({ take }) => take(queue, { run: () => Effect.fail(refused) }))

/** Takes one job off the queue, which is done. */
const takeOne = Effect.fnUntraced(function* (queue: QueueName) {
  const taken: Array<{ readonly job: Job; readonly metadata: JobMetadata }> = []
  const { take } = yield* JobQueue
  yield* take(queue, { run: (job, metadata) => Effect.sync(() => void taken.push({ job, metadata })) })
  return taken[0] ?? (yield* Effect.die("A job was taken"))
})

/** A tenant with jobs that have failed for good, `job-0` first. */
const withLetters = Effect.fnUntraced(function* (count: number) {
  const tenantId = yield* fresh
  const [queue, letters] = [yield* JobQueue, yield* DeadLetters]
  const jobs = Array.from({ length: count }, () => deliveryJob(tenantId))
  for (const [n, job] of jobs.entries()) {
    yield* queue.offer(job, { id: `job-${n}`, group: "octo/shop" })
    yield* failOne("deliveries")
  }
  const { items } = yield* letters.list(tenantId, "deliveries", page)
  return { tenantId, letters, jobs, dead: items.toReversed() }
})

const depthOf = Effect.fnUntraced(function* (tenantId: TenantId, name: QueueName) {
  const queues = yield* (yield* DeadLetters).queues(tenantId)
  const found = queues.find((queue) => queue.name === name)
  return [found?.depth, found?.inFlight, found?.deadLetters]
})

const idsOf = (letters: ReadonlyArray<DeadLetter>) => letters.map(({ id }) => id)

/** As a later version may leave it. */
const unreadable = (n: number): DeadLetter => ({
  id: freshId(DeadLetterId),
  queue: "deliveries",
  jobId: `newer-${n}`,
  type: "FlyToTheMoon",
  error: "Unknown",
  attempts: 1,
  redrives: 0,
  payload: { _tag: "FlyToTheMoon" },
  failedAt: DateTime.makeUnsafe("2026-01-02T03:04:05Z")
})

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("dead letters", (it) => {
  it.effect("are listed beside what waits in each queue, those of one's own tenant", () =>
    Effect.gen(function* () {
      const other = yield* withLetters(1)
      const { dead, letters, tenantId } = yield* withLetters(2)
      const queue = yield* JobQueue
      yield* queue.offer({ _tag: "IngestDocument", tenantId, documentId: freshId(DocumentId) }, { id: "document" })
      const states = yield* letters.queues(tenantId)
      assert.deepStrictEqual(
        states.map(({ deadLetters, depth, name }) => [name, depth, deadLetters]),
        [
          ["deliveries", 0, 2],
          ["documents", 1, 0],
          ["contexts", 0, 0],
          ["tasks", 0, 0]
        ]
      )
      const [first] = dead
      assert.deepInclude(first, {
        queue: "deliveries",
        jobId: "job-0",
        group: "octo/shop",
        type: "IngestDelivery",
        attempts: 1,
        error: "The embedding model could not embed the text: The key was refused"
      })
      for (const id of idsOf(dead)) {
        assert.strictEqual((yield* letters.get(tenantId, "deliveries", id)).id, id)
        assert.strictEqual(
          (yield* Effect.flip(letters.get(other.tenantId, "deliveries", id)))._tag,
          "@devops-mcp/domain/Errors/NotFound"
        )
      }
    })
  )

  it.effect(
    "of deliveries show in their events: failed at once when no other attempt helps, processed in the end",
    () =>
      Effect.gen(function* () {
        const tenantId = yield* fresh
        const [events, ingest, letters] = [yield* EventRepository, yield* Ingest, yield* DeadLetters]
        const { secret, webhook } = yield* (yield* Webhooks).create(tenantId, { source: "github", name: "ours" })
        const body = JSON.stringify({ zen: "Keep it logically awesome." })
        const { deliveryId } = yield* (yield* Webhooks).receive(webhook.id, yield* signed(secret, body, "d-1"), body)
        const { take } = yield* JobQueue
        const work = take("deliveries", {
          run: (job, metadata) => (job._tag === "RunTask" ? Effect.void : ingest.run(job, metadata)),
          givenUp: (job) => (job._tag === "RunTask" ? Effect.void : ingest.givenUp(job))
        })
        const status = Effect.map(events.get(tenantId, EventId.make(deliveryId)), (event) => event.status)
        yield* whileEmbedder(Effect.fail(embedderDown), work)
        assert.strictEqual(yield* status, "received")
        yield* whileEmbedder(Effect.fail(refused), work)
        assert.strictEqual(yield* status, "failed")
        assert.strictEqual(yield* letters.redrive(tenantId, "deliveries"), 1)
        yield* whileEmbedder(Effect.fail(refused), work)
        assert.strictEqual(yield* status, "failed")
        assert.strictEqual(yield* letters.redrive(tenantId, "deliveries"), 1)
        yield* work
        assert.strictEqual(yield* status, "processed")
        assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [0, 0, 0])
      })
  )

  it.effect("are put back, all of them, in their order, and begin with their first attempt under their first id", () =>
    Effect.gen(function* () {
      const { jobs, letters, tenantId } = yield* withLetters(3)
      assert.strictEqual(yield* letters.redrive(tenantId, "deliveries"), 3)
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [3, 0, 0])
      for (const [n, job] of jobs.entries()) {
        const taken = yield* takeOne("deliveries")
        assert.deepStrictEqual(taken, { job, metadata: { id: `job-${n}`, attempt: 1 } })
      }
      assert.strictEqual(yield* letters.redrive(tenantId, "deliveries"), 0)
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [0, 0, 0])
    })
  )

  it.effect("are put back by their ids, which are those of one tenant and one queue", () =>
    Effect.gen(function* () {
      const { dead, jobs, letters, tenantId } = yield* withLetters(3)
      const intruder = yield* freshTenant
      const [, second = freshId(DeadLetterId), third = freshId(DeadLetterId)] = idsOf(dead)
      assert.strictEqual(yield* letters.redrive(intruder, "deliveries", [second]), 0)
      assert.strictEqual(yield* letters.redrive(intruder, "deliveries"), 0)
      assert.strictEqual(yield* letters.redrive(tenantId, "documents", [second]), 0)
      assert.strictEqual(yield* letters.redrive(tenantId, "deliveries", []), 0)
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [0, 0, 3])
      assert.strictEqual(yield* letters.redrive(tenantId, "deliveries", [second, freshId(DeadLetterId)]), 1)
      assert.deepStrictEqual((yield* takeOne("deliveries")).job, jobs[1])
      assert.strictEqual(yield* letters.redrive(tenantId, "deliveries", [second]), 0)
      yield* letters.discard(tenantId, "deliveries", "Obsolete", [third])
      assert.strictEqual(yield* letters.redrive(tenantId, "deliveries", [third]), 0)
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [0, 0, 1])
    })
  )

  it.effect("come back as new ones when their jobs fail again, each time with one redrive more", () =>
    Effect.gen(function* () {
      const { letters, tenantId } = yield* withLetters(1)
      const seen = new Set<DeadLetterId>()
      for (const redrives of [0, 1, 2]) {
        const { items } = yield* letters.list(tenantId, "deliveries", page)
        assert.deepStrictEqual(
          items.map((letter) => [letter.jobId, letter.redrives, letter.attempts, letter.group]),
          [["job-0", redrives, 1, "octo/shop"]]
        )
        for (const id of idsOf(items)) seen.add(id)
        assert.strictEqual(yield* letters.redrive(tenantId, "deliveries"), 1)
        yield* failOne("deliveries")
      }
      assert.strictEqual(seen.size, 3)
    })
  )

  it.effect("stay when this version cannot read their jobs, without hiding those behind them", () =>
    Effect.gen(function* () {
      const tenantId = yield* fresh
      const [letters, repository] = [yield* DeadLetters, yield* DeadLetterRepository]
      const stay = Array.from({ length: 205 }, (_, n) => unreadable(n))
      yield* Effect.forEach(stay, (letter) => repository.put(tenantId, letter))
      yield* (yield* JobQueue).offer(deliveryJob(tenantId), { id: "job" })
      yield* failOne("deliveries")
      assert.strictEqual(yield* letters.redrive(tenantId, "deliveries"), 1)
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [1, 0, 205])
      const [first] = stay
      if (first === undefined) return yield* Effect.die("There are many")
      assert.strictEqual(yield* letters.redrive(tenantId, "deliveries", [first.id]), 0)
      assert.deepStrictEqual(yield* letters.get(tenantId, "deliveries", first.id), first)
    })
  )

  it.effect("stay where they are when their jobs cannot be offered, also those before it", () =>
    Effect.gen(function* () {
      const { dead, tenantId } = yield* withLetters(2)
      const queue = yield* JobQueue
      const down = new QueueError({ operation: "offer", retryable: true, cause: "down" })
      const failing = JobQueue.of({
        ...queue,
        offer: (job, options) => (options.id.startsWith("job-1") ? Effect.fail(down) : queue.offer(job, options))
      })
      const redrive = Effect.flatMap(DeadLetters, (letters) => letters.redrive(tenantId, "deliveries"))
      const Broken = Layer.fresh(DeadLetters.layer).pipe(Layer.provide(Layer.succeed(JobQueue, failing)))
      const failure = yield* Effect.flip(Effect.provide(redrive, Broken))
      assert.strictEqual(failure._tag, "@devops-mcp/core/ports/JobQueue/QueueError")
      const { items } = yield* (yield* DeadLetters).list(tenantId, "deliveries", page)
      assert.deepStrictEqual(items.toReversed(), dead)
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [0, 0, 2])
      // Nothing is in the way of another try.
      assert.strictEqual(yield* redrive, 2)
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [2, 0, 0])
    })
  )

  it.effect("are put back once by many that ask at once", () =>
    Effect.gen(function* () {
      const { letters, tenantId } = yield* withLetters(6)
      const counts = yield* Effect.forEach(Array.from({ length: 8 }), () => letters.redrive(tenantId, "deliveries"), {
        concurrency: "unbounded"
      })
      assert.strictEqual(
        counts.reduce((sum, count) => sum + count, 0),
        6
      )
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [6, 0, 0])
    })
  )

  it.effect("are discarded with a reason, can be read for a month and are then swept", () =>
    Effect.gen(function* () {
      const { dead, letters, tenantId } = yield* withLetters(3)
      const [first = freshId(DeadLetterId)] = idsOf(dead)
      assert.strictEqual(yield* letters.discard(yield* freshTenant, "deliveries", "Mine"), 0)
      assert.strictEqual(yield* letters.discard(tenantId, "deliveries", "Obsolete", [first]), 1)
      assert.strictEqual(yield* letters.discard(tenantId, "deliveries", "Again", [first]), 0)
      const discarded = yield* letters.get(tenantId, "deliveries", first)
      assert.strictEqual(discarded.discardReason, "Obsolete")
      assert.strictEqual(yield* letters.discard(tenantId, "deliveries", "All of them"), 2)
      assert.deepStrictEqual(yield* depthOf(tenantId, "deliveries"), [0, 0, 0])
      yield* letters.sweep
      const listed = yield* letters.list(tenantId, "deliveries", { ...page, discarded: true })
      assert.deepStrictEqual(idsOf(listed.items).toReversed(), idsOf(dead))
      const monthAgo = DateTime.subtractDuration(yield* DateTime.now, discardedLifetime)
      const longAgo = DateTime.toDateUtc(DateTime.subtract(monthAgo, { seconds: 1 }))
      const sql = yield* SqlClient.SqlClient
      yield* sql`update dead_letters set discarded_at = ${longAgo} where id = ${first}`
      yield* letters.sweep
      const left = yield* letters.list(tenantId, "deliveries", { ...page, discarded: true })
      assert.deepStrictEqual(idsOf(left.items).toReversed(), idsOf(dead).slice(1))
    })
  )
})
