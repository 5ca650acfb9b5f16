import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { assert, type Vitest } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Ref } from "effect"
import { freshTenant } from "../../Fixtures.ts"
import {
  assertEmpty,
  failing,
  type Fresh,
  givenUp,
  type JobQueuePromises,
  lettersOf,
  type Needed,
  offered,
  offeredBy,
  queueName,
  statsNow,
  takeOne,
  takeWith
} from "./Steps.ts"

/** What fails is tried again or given up, and no job is lost on the way. */
export const failureTests = <R>(
  it: Vitest.MethodsNonLive<R | Needed | DeadLetters>,
  { attempts, workerDies }: JobQueuePromises<R>
) => {
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
}
