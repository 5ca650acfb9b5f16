import { Job } from "@devops-mcp/contract/Jobs"
import type { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { type JobMetadata, JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { DeliveryId, WebhookId } from "@devops-mcp/domain/Ids"
import { assert, type Vitest } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber, Ref } from "effect"
import { anySealedText, freshId, freshTenant } from "../../Fixtures.ts"
import {
  assertEmpty,
  fresh,
  type JobQueuePromises,
  type Needed,
  newJob,
  offered,
  queueName,
  statsNow,
  takeOne,
  takeWith
} from "./Steps.ts"

/** Jobs reach one taker each, as they were offered. */
export const deliveryTests = <R>(
  it: Vitest.MethodsNonLive<R | Needed | DeadLetters>,
  { keepsOrder }: JobQueuePromises<R>
) => {
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
}
