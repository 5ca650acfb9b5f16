import { Job, type QueueName } from "@devops-mcp/contract/Jobs"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import type { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { type JobMetadata, JobQueue } from "@devops-mcp/core/ports/JobQueue"
import type { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { DeliveryId, DocumentId, type TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import { assert, layer as suite } from "@effect/vitest"
import { DateTime, Deferred, Effect, Exit, Fiber, Layer, Ref } from "effect"
import { anySealedText, freshId, freshTenant } from "../Fixtures.ts"

const newJob = (tenantId: TenantId) => {
  const documentId = freshId(DocumentId)
  return { tenantId, job: Job.cases.IngestDocument.make({ tenantId, documentId }), id: `document:${documentId}` }
}

type Fresh = ReturnType<typeof newJob>

/** A job of a tenant of its own, offered under its own id. */
const fresh = Effect.map(freshTenant, newJob)

const offeredBy = Effect.fnUntraced(function* (tenantId: TenantId) {
  const made = newJob(tenantId)
  yield* (yield* JobQueue).offer(made.job, { id: made.id })
  return made
})

const offered = Effect.flatMap(freshTenant, offeredBy)

const queueName = "documents"

/** Takes one job with a handler that ends in the given way; answers what the handler was given. */
const takeWith = Effect.fnUntraced(function* <E>(outcome: Effect.Effect<void, E>) {
  const given = yield* Deferred.make<{ readonly job: Job; readonly metadata: JobMetadata }>()
  yield* (yield* JobQueue).take(queueName, {
    run: (job, metadata) => Effect.andThen(Deferred.succeed(given, { job, metadata }), outcome)
  })
  return yield* Deferred.await(given)
})

const takeOne = takeWith(Effect.void)

const failing = takeWith(Effect.fail("this attempt fails"))

const statsNow = Effect.gen(function* () {
  const stats = (yield* (yield* JobQueue).stats).find(({ name }) => name === queueName)
  if (stats === undefined) throw new Error("The queue has no figures")
  return stats
})

const assertEmpty = Effect.gen(function* () {
  assert.deepStrictEqual(yield* statsNow, { name: queueName, depth: 0, inFlight: 0, oldestAgeSeconds: 0 })
})

const lettersOf = Effect.fnUntraced(function* (tenantId: TenantId, limit = 10) {
  return (yield* (yield* DeadLetters).list(tenantId, queueName, { limit })).items
})

/** Makes a job a dead letter. */
const givenUp = (attempts: number, tenantId: TenantId) =>
  Effect.gen(function* () {
    const made = yield* offeredBy(tenantId)
    yield* Effect.replicateEffect(failing, attempts, { discard: true })
    return made
  })

const withUpkeep = Layer.effectDiscard(Effect.flatMap(JobQueue, ({ upkeep }) => Effect.forkScoped(upkeep)))

export interface JobQueuePromises<R> {
  readonly attempts: number
  readonly keepsOrder: boolean
  /** Leaves the queue's only job as a worker does that takes it and dies. */
  readonly workerDies: (queue: QueueName) => Effect.Effect<unknown, unknown, R>
}

/**
 * What every job queue promises. The layer's queue is empty at first, tries a job `attempts` times (two or more), and does
 * not wait between attempts, nor in an outage; each test leaves it empty.
 */
export const jobQueueConformance = <E, R>(
  name: string,
  layer: Layer.Layer<JobQueue | Transactions | TenantRepository | DeadLetterRepository | WebhookRepository | R, E>,
  { attempts, keepsOrder, workerDies }: JobQueuePromises<R>
) =>
  suite(withUpkeep.pipe(Layer.provideMerge(DeadLetters.layer), Layer.provideMerge(layer)), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })(`JobQueue: ${name}`, (it) => {
    it.effect("gives a job as it was offered, once", () =>
      Effect.gen(function* () {
        const { id, job } = yield* offered
        const taken = yield* takeOne
        assert.deepStrictEqual(taken, { job, metadata: { id, attempt: 1 } })
        yield* assertEmpty
      })
    )

    it.effect("wakes a taker that was there first", () =>
      Effect.gen(function* () {
        const taker = yield* Effect.forkChild(takeOne, { startImmediately: true })
        const { id } = yield* offered
        assert.strictEqual((yield* Fiber.join(taker)).metadata.id, id)
        yield* assertEmpty
      })
    )

    it.effect("has a job exactly when the change that caused it is committed", () =>
      Effect.gen(function* () {
        const [queue, transactions] = [yield* JobQueue, yield* Transactions]
        const [lost, kept, done] = [yield* fresh, yield* fresh, yield* Ref.make(false)]
        const taker = yield* Effect.forkChild(
          takeWith(Effect.flatMap(Ref.get(done), (done) => Effect.sync(() => assert.isTrue(done)))),
          { startImmediately: true }
        )
        const rolledBack = Effect.andThen(queue.offer(lost.job, { id: lost.id }), Effect.fail("rolled back"))
        assert.strictEqual(yield* Effect.flip(transactions.run(lost.tenantId, rolledBack)), "rolled back")
        yield* transactions.run(
          kept.tenantId,
          Effect.gen(function* () {
            yield* queue.offer(kept.job, { id: kept.id })
            yield* Effect.yieldNow
            yield* Ref.set(done, true)
          })
        )
        assert.strictEqual((yield* Fiber.join(taker)).metadata.id, kept.id)
        yield* assertEmpty
        // The id of what was rolled back was never offered.
        yield* queue.offer(lost.job, { id: lost.id })
        assert.strictEqual((yield* takeOne).metadata.id, lost.id)
        yield* assertEmpty
      })
    )

    it.effect("has the jobs that were prepared when what causes them is written, and wakes who waits for them", () =>
      Effect.gen(function* () {
        const [queue, webhooks, tenantId] = [yield* JobQueue, yield* WebhookRepository, yield* freshTenant]
        const createdAt = yield* DateTime.now
        const webhook = { id: freshId(WebhookId), source: "github" as const, name: "prepared", createdAt }
        yield* webhooks.create(tenantId, webhook, anySealedText)
        const causes = ["first", "repeated", "repeated", "last"].map((externalId) => ({
          id: freshId(DeliveryId),
          webhookId: webhook.id,
          source: webhook.source,
          externalId,
          eventType: "push",
          payload: null,
          receivedAt: createdAt
        }))
        const jobs = causes.map(() => newJob(tenantId))
        const prepared = yield* queue.prepare(jobs.map(({ id, job }) => ({ id, job, group: "one" })))
        const elsewhere = causes.map((cause) => ({ ...cause, webhookId: freshId(WebhookId) }))
        yield* Effect.flip(webhooks.accept(tenantId, elsewhere, prepared))
        yield* assertEmpty
        const takers = yield* Effect.forkChild(Effect.replicateEffect(takeOne, 3), { startImmediately: true })
        yield* webhooks.accept(tenantId, causes, prepared)
        yield* prepared.written(prepared.rows.filter((_row, index) => index !== 2))
        const taken = yield* Fiber.join(takers)
        assert.deepStrictEqual(
          new Map(taken.map(({ job, metadata }) => [metadata.id, job])),
          new Map([0, 1, 3].map((index) => [jobs[index]!.id, jobs[index]!.job]))
        )
        yield* assertEmpty
      })
    )

    it.effect("does not take an id twice: not while it waits, not from many at once, not after it is done", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        const { id, job } = yield* offered
        yield* Effect.replicateEffect(queue.offer(job, { id }), 8, { concurrency: "unbounded" })
        yield* takeOne
        yield* queue.offer(job, { id })
        const next = yield* offered
        assert.strictEqual((yield* takeOne).metadata.id, next.id)
        yield* assertEmpty
      })
    )

    it.effect("tries a failing job again, says which attempt it is, then keeps it with its cause", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        const { id, job, tenantId } = yield* offered
        const tried = yield* Effect.replicateEffect(failing, attempts)
        assert.deepStrictEqual(
          tried.map(({ metadata }) => metadata),
          tried.map((_, index) => ({ id, attempt: index + 1 }))
        )
        yield* assertEmpty
        const [letter, ...others] = yield* lettersOf(tenantId)
        assert.deepStrictEqual(others, [])
        assert.deepInclude(letter, { jobId: id, queue: queueName, type: job._tag, attempts, redrives: 0 })
        assert.deepStrictEqual(letter?.payload, { ...job })
        assert.include(letter?.error, "this attempt fails")
        // It is not offered again either: whoever wants it done redrives it.
        yield* queue.offer(job, { id })
        yield* assertEmpty
        assert.strictEqual(yield* (yield* DeadLetters).redrive(tenantId, queueName), 1)
        assert.deepStrictEqual((yield* takeOne).metadata, { id, attempt: 1 })
        assert.deepStrictEqual(yield* lettersOf(tenantId), [])
        yield* assertEmpty
      })
    )

    it.effect("tries no job again whose error says that it is of no use", () =>
      Effect.gen(function* () {
        const { tenantId } = yield* offered
        yield* takeWith(Effect.fail({ retryable: false, message: "never" }))
        yield* assertEmpty
        assert.strictEqual((yield* lettersOf(tenantId))[0]?.attempts, 1)
      })
    )

    it.effect("counts no attempt at a job that is put off because what it needs answers nobody", () =>
      Effect.gen(function* () {
        const { id, tenantId } = yield* offered
        const outage = takeWith(Effect.fail({ retryable: true, outage: true, message: "away" }))
        const tried = yield* Effect.replicateEffect(outage, attempts + 2)
        for (const { metadata } of tried) {
          assert.deepStrictEqual(metadata, { id, attempt: 1 })
        }
        assert.deepStrictEqual(yield* lettersOf(tenantId), [])
        assert.strictEqual((yield* failing).metadata.attempt, 1)
        assert.strictEqual((yield* takeOne).metadata.attempt, 2)
        yield* assertEmpty
      })
    )

    it.effect("counts an attempt during which the worker died, and runs the last one", () =>
      Effect.gen(function* () {
        const { id } = yield* offered
        yield* Effect.replicateEffect(Effect.orDie(workerDies(queueName)), attempts - 1)
        assert.deepStrictEqual((yield* takeOne).metadata, { id, attempt: attempts })
        yield* assertEmpty
      })
    )

    it.effect("gives up without running it what killed its worker in each attempt, tells so, and takes the next", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        const { id, job, tenantId } = yield* offered
        yield* Effect.replicateEffect(Effect.orDie(workerDies(queueName)), attempts)
        const [ran, told] = [yield* Ref.make(false), yield* Ref.make<ReadonlyArray<unknown>>([])]
        yield* queue.take(queueName, {
          run: () => Ref.set(ran, true),
          givenUp: (job, why) => Ref.update(told, (before) => [...before, job, why])
        })
        assert.isFalse(yield* Ref.get(ran))
        assert.deepStrictEqual(yield* Ref.get(told), [job, "unanswered"])
        yield* assertEmpty
        const [letter] = yield* lettersOf(tenantId)
        assert.deepInclude(letter, { jobId: id, attempts, redrives: 0 })
        assert.deepStrictEqual(letter?.payload, { ...job })
        assert.match(letter?.error ?? "", /worker stopped without an answer/)
        const next = yield* offeredBy(tenantId)
        assert.deepStrictEqual((yield* takeOne).metadata, { id: next.id, attempt: 1 })
        // Whoever has mended it puts it back, and it begins anew.
        assert.strictEqual(yield* (yield* DeadLetters).redrive(tenantId, queueName), 1)
        assert.deepStrictEqual((yield* takeOne).metadata, { id, attempt: 1 })
        yield* assertEmpty
      })
    )

    it.effect("puts back the dead letters that are asked for, else all, as often as they fail", () =>
      Effect.gen(function* () {
        const letters = yield* DeadLetters
        const tenantId = yield* freshTenant
        const made: Array<Fresh> = []
        for (let index = 0; index < 3; index++) made.push(yield* givenUp(attempts, tenantId))
        const ids = made.map(({ id }) => id)
        const kept = (yield* lettersOf(tenantId)).toReversed()
        assert.deepStrictEqual(
          kept.map(({ jobId }) => jobId),
          ids
        )
        const first = kept.slice(0, 1).map(({ id }) => id)
        assert.strictEqual(yield* letters.redrive(tenantId, queueName, []), 0)
        assert.strictEqual(yield* letters.redrive(yield* freshTenant, queueName, first), 0)
        assert.strictEqual(yield* letters.redrive(tenantId, queueName, first), 1)
        assert.strictEqual((yield* statsNow).depth, 1)
        // Given up again, it is a letter again.
        yield* Effect.replicateEffect(failing, attempts, { discard: true })
        const again = (yield* lettersOf(tenantId)).find(({ jobId }) => jobId === ids[0])
        assert.deepInclude(again, { attempts, redrives: 1 })
        assert.strictEqual(yield* letters.redrive(tenantId, queueName), 3)
        assert.strictEqual(yield* letters.redrive(tenantId, queueName), 0)
        const taken = yield* Effect.replicateEffect(takeOne, 3)
        assert.sameMembers(
          taken.map(({ metadata }) => metadata.id),
          ids
        )
        yield* assertEmpty
      })
    )

    it.effect.skipIf(!keepsOrder)("keeps the order of a group, also over failures, and holds up no other group", () =>
      Effect.gen(function* () {
        const [queue, tenantId] = [yield* JobQueue, yield* freshTenant]
        const offer = (id: string, group: string) =>
          queue.offer(Job.cases.IngestDelivery.make({ tenantId, deliveryId: freshId(DeliveryId) }), { id, group })
        const [run, done] = [freshId(DeliveryId).slice(24), yield* Ref.make<ReadonlyArray<string>>([])]
        for (let index = 0; index < 5; index++) {
          yield* offer(`${run}:a${index}`, `${run}:a`)
          yield* offer(`${run}:b${index}`, `${run}:b`)
        }
        const failedOnce = yield* Ref.make(false)
        const finished = yield* Deferred.make<void>()
        const handle = (_: Job, { attempt, id }: JobMetadata) =>
          Effect.gen(function* () {
            const name = id.slice(run.length + 1)
            if (name === "a1" && attempt === 1) {
              yield* Ref.set(failedOnce, true)
              return yield* Effect.fail("not yet")
            }
            const all = yield* Ref.updateAndGet(done, (before) => [...before, name])
            if (all.length === 10) yield* Deferred.succeed(finished, undefined)
          })
        const takers = yield* Effect.forkChild(
          Effect.replicateEffect(Effect.forever(queue.take("deliveries", { run: handle })), 4, {
            concurrency: "unbounded"
          })
        )
        yield* Deferred.await(finished)
        yield* Fiber.interrupt(takers)
        assert.isTrue(yield* Ref.get(failedOnce))
        const all = yield* Ref.get(done)
        for (const group of ["a", "b"]) {
          assert.deepStrictEqual(
            all.filter((name) => name.startsWith(group)),
            [0, 1, 2, 3, 4].map((index) => `${group}${index}`)
          )
        }
      })
    )

    it.effect("a bug in a handler counts as a failed attempt and ends no taker", () =>
      Effect.gen(function* () {
        const { id } = yield* offered
        yield* takeWith(Effect.die(new Error("a bug")))
        const again = yield* takeOne
        assert.deepStrictEqual([again.metadata.id, again.metadata.attempt], [id, 2])
        yield* assertEmpty
      })
    )

    it.effect("an interrupted handler gives its job back, and the attempt does not count", () =>
      Effect.gen(function* () {
        const { id } = yield* offered
        const started = yield* Deferred.make<void>()
        const taker = yield* Effect.forkChild(
          takeWith(Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
        )
        yield* Deferred.await(started)
        yield* Fiber.interrupt(taker)
        // A worker that stops ends its handler from within.
        const stopped = yield* Effect.forkChild(takeWith(Effect.interrupt))
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(stopped)))
        const again = yield* takeOne
        assert.deepStrictEqual([again.metadata.id, again.metadata.attempt], [id, 1])
        yield* assertEmpty
      })
    )

    it.effect("a taker that goes away while it waits takes nothing with it", () =>
      Effect.gen(function* () {
        const waiting = yield* Effect.forkChild(takeOne, { startImmediately: true })
        yield* Fiber.interrupt(waiting)
        const { id } = yield* offered
        assert.strictEqual((yield* takeOne).metadata.id, id)
        yield* assertEmpty
      })
    )

    it.effect("gives no job to two takers, and every job to one", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        const count = 40
        const together = yield* Deferred.make<void>()
        const [running, most, handled] = [
          yield* Ref.make(0),
          yield* Ref.make(0),
          yield* Ref.make<ReadonlyArray<string>>([])
        ]
        const run = (_: Job, { id }: JobMetadata) =>
          Effect.gen(function* () {
            const now = yield* Ref.updateAndGet(running, (n) => n + 1)
            yield* Ref.update(most, (n) => Math.max(n, now))
            // The first waits for a second one.
            if (now > 1) yield* Deferred.succeed(together, undefined)
            yield* Deferred.await(together)
            yield* Ref.update(running, (n) => n - 1)
            yield* Ref.update(handled, (ids) => [...ids, id])
          })
        const takers = yield* Effect.forkChild(
          Effect.replicateEffect(Effect.replicateEffect(queue.take(queueName, { run }), count / 8), 8, {
            concurrency: "unbounded"
          })
        )
        const made = yield* Effect.replicateEffect(offered, count, { concurrency: 4 })
        yield* Fiber.join(takers)
        assert.sameMembers(
          [...(yield* Ref.get(handled))],
          made.map(({ id }) => id)
        )
        assert.isAbove(yield* Ref.get(most), 1)
        yield* assertEmpty
      })
    )

    it.effect("tells what waits, what is worked on, and since when", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        yield* assertEmpty
        yield* Effect.replicateEffect(offered, 2)
        const waiting = yield* statsNow
        assert.deepInclude(waiting, { depth: 2, inFlight: 0 })
        assert.isAtLeast(waiting.oldestAgeSeconds, 0)
        assert.isBelow(waiting.oldestAgeSeconds, 60)
        const during = yield* Deferred.make<typeof waiting>()
        yield* queue.take(queueName, {
          run: () => Effect.flatMap(statsNow, (stats) => Deferred.succeed(during, stats))
        })
        assert.deepInclude(yield* Deferred.await(during), { name: waiting.name, depth: 1, inFlight: 1 })
        yield* takeOne
        yield* assertEmpty
      })
    )
  })
