import { Job } from "@devops-mcp/contract/Jobs"
import { type JobMetadata, JobQueue } from "@devops-mcp/core/ports/JobQueue"
import type { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { DocumentId } from "@devops-mcp/domain/Ids"
import { assert, layer as suite } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Layer, Ref } from "effect"
import { freshId, freshTenant } from "../Fixtures.ts"

/** A job of a tenant of its own, offered under its own id. */
const fresh = Effect.map(freshTenant, (tenantId) => {
  const documentId = freshId(DocumentId)
  return { tenantId, job: Job.cases.IngestDocument.make({ tenantId, documentId }), id: `document:${documentId}` }
})

type Fresh = Effect.Success<typeof fresh>

const offered = Effect.gen(function* () {
  const made = yield* fresh
  yield* (yield* JobQueue).offer(made.job, { id: made.id })
  return made
})

/** Takes one job with a handler that ends in the given way; answers what the handler was given. */
const takeWith = Effect.fnUntraced(function* <E>(outcome: Effect.Effect<void, E>) {
  const given = yield* Deferred.make<{ readonly job: Job; readonly metadata: JobMetadata }>()
  yield* (yield* JobQueue).take((job, metadata) => Effect.andThen(Deferred.succeed(given, { job, metadata }), outcome))
  return yield* Deferred.await(given)
})

const takeOne = takeWith(Effect.void)

const failing = takeWith(Effect.fail("this attempt fails"))

const assertEmpty = Effect.gen(function* () {
  const stats = yield* (yield* JobQueue).stats
  assert.deepInclude(stats, { depth: 0, inFlight: 0, deadLetters: 0, oldestAgeSeconds: 0 })
})

/** Makes a job a dead letter. */
const givenUp = (attempts: number) =>
  Effect.gen(function* () {
    const made = yield* offered
    yield* Effect.replicateEffect(failing, attempts, { discard: true })
    return made
  })

/**
 * What every job queue promises. The layer's queue is empty at first, tries a job `attempts` times, and does not wait
 * between attempts; each test leaves it empty.
 */
export const jobQueueConformance = <E>(
  name: string,
  layer: Layer.Layer<JobQueue | Transactions | TenantRepository, E>,
  { attempts }: { readonly attempts: number }
) =>
  suite(layer, { excludeTestServices: true, timeout: "60 seconds" })(`JobQueue: ${name}`, (it) => {
    it.effect("gives a job as it was offered, once", () =>
      Effect.gen(function* () {
        const { id, job } = yield* offered
        const taken = yield* takeOne
        assert.deepStrictEqual(taken, { job, metadata: { id, attempt: 1, lastAttempt: attempts === 1 } })
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

    it.effect("tries a failing job again, says which attempt is the last, then keeps it with its cause", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        const { id, job } = yield* offered
        const tried = yield* Effect.replicateEffect(failing, attempts)
        assert.deepStrictEqual(
          tried.map(({ metadata }) => metadata),
          tried.map((_, index) => ({ id, attempt: index + 1, lastAttempt: index === attempts - 1 }))
        )
        assert.deepInclude(yield* queue.stats, { depth: 0, inFlight: 0, deadLetters: 1 })
        const [letter, ...others] = yield* queue.deadLetters(10)
        assert.deepStrictEqual(others, [])
        assert.deepInclude(letter, { id, attempts, payload: { ...job } })
        assert.include(letter?.error, "this attempt fails")
        // It is not offered again either: whoever wants it done redrives it.
        yield* queue.offer(job, { id })
        assert.deepInclude(yield* queue.stats, { depth: 0, deadLetters: 1 })
        assert.strictEqual(yield* queue.redrive(), 1)
        assert.deepStrictEqual((yield* takeOne).metadata, { id, attempt: 1, lastAttempt: attempts === 1 })
        yield* assertEmpty
      })
    )

    it.effect("puts back the dead letters that are asked for, else all", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        const made: Array<Fresh> = []
        for (let index = 0; index < 3; index++) made.push(yield* givenUp(attempts))
        const ids = made.map(({ id }) => id)
        assert.sameMembers(
          (yield* queue.deadLetters(10)).map((letter) => letter.id),
          ids
        )
        assert.strictEqual((yield* queue.deadLetters(2)).length, 2)
        assert.strictEqual(yield* queue.redrive([]), 0)
        assert.strictEqual(yield* queue.redrive(["nobody's"]), 0)
        assert.strictEqual(yield* queue.redrive(ids.slice(0, 1)), 1)
        assert.deepInclude(yield* queue.stats, { depth: 1, deadLetters: 2 })
        assert.strictEqual((yield* takeOne).metadata.id, ids[0])
        // Neither a job that is done nor one that waits is put back.
        assert.strictEqual(yield* queue.redrive(ids.slice(0, 1)), 0)
        assert.strictEqual(yield* queue.redrive(), 2)
        assert.strictEqual(yield* queue.redrive(), 0)
        const rest = yield* Effect.replicateEffect(takeOne, 2)
        assert.sameMembers(
          rest.map(({ metadata }) => metadata.id),
          ids.slice(1)
        )
        yield* assertEmpty
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
        const [running, most, handled] = [
          yield* Ref.make(0),
          yield* Ref.make(0),
          yield* Ref.make<ReadonlyArray<string>>([])
        ]
        const handler = (_: Job, { id }: JobMetadata) =>
          Effect.gen(function* () {
            const now = yield* Ref.updateAndGet(running, (n) => n + 1)
            yield* Ref.update(most, (n) => Math.max(n, now))
            yield* Effect.yieldNow
            yield* Ref.update(running, (n) => n - 1)
            yield* Ref.update(handled, (ids) => [...ids, id])
          })
        const takers = yield* Effect.forkChild(
          Effect.replicateEffect(Effect.replicateEffect(queue.take(handler), count / 8), 8, {
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
        const waiting = yield* queue.stats
        assert.deepInclude(waiting, { depth: 2, inFlight: 0, deadLetters: 0 })
        assert.isAtLeast(waiting.oldestAgeSeconds, 0)
        assert.isBelow(waiting.oldestAgeSeconds, 60)
        const during = yield* Deferred.make<typeof waiting>()
        yield* queue.take(() => Effect.flatMap(queue.stats, (stats) => Deferred.succeed(during, stats)))
        assert.deepInclude(yield* Deferred.await(during), { name: waiting.name, depth: 1, inFlight: 1 })
        yield* takeOne
        yield* assertEmpty
      })
    )
  })
