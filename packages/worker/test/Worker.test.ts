import { QueueError } from "@devops-mcp/core/ports/JobQueue"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue, Ref } from "effect"
import { TestClock } from "effect/testing"
import { started } from "./WorkerFakes.ts"

const down = new QueueError({ operation: "take", retryable: true, cause: new Error("down") })

describe("Worker", () => {
  it.effect("goes on after a job that failed or had a bug", () =>
    Effect.gen(function* () {
      const worker = yield* started({
        concurrency: "1",
        run: (id) => (id === "bug" ? Effect.die(new Error("a bug")) : Effect.void)
      })
      yield* worker.offer("deliveries", "bug", "good")
      assert.deepStrictEqual(
        [yield* worker.ended, yield* worker.ended],
        [
          { id: "bug", as: "failed" },
          { id: "good", as: "done" }
        ]
      )
    })
  )

  it.effect("asks a queue that does not answer again and again, and works when it does", () =>
    Effect.gen(function* () {
      const asked = yield* Ref.make(0)
      const worker = yield* started({
        concurrency: "1",
        run: () => Effect.void,
        take: (name) =>
          name === "deliveries"
            ? Effect.flatMap(
                Ref.updateAndGet(asked, (n) => n + 1),
                (n) => (n <= 20 ? Effect.fail(down) : Effect.void)
              )
            : Effect.void
      })
      yield* worker.offer("deliveries", "patient")
      // Other queues are not held up by it.
      yield* worker.offer("documents", "meanwhile")
      assert.deepStrictEqual(yield* worker.ended, { id: "meanwhile", as: "done" })
      yield* TestClock.adjust("10 seconds")
      const early = yield* Ref.get(asked)
      assert.isAtLeast(early, 3)
      assert.isAtMost(early, 10)
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(yield* worker.ended, { id: "patient", as: "done" })
    })
  )

  it.effect("lets what runs come to its end before it stops, and takes nothing new", () =>
    Effect.gen(function* () {
      const running = yield* Queue.unbounded<string>()
      const worker = yield* started({
        concurrency: "2",
        run: (id) => Effect.andThen(Queue.offer(running, id), Effect.sleep("5 seconds"))
      })
      yield* worker.offer("deliveries", "first", "second", "third")
      yield* Queue.takeN(running, 2)
      const stopping = yield* worker.stop
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.sameDeepMembers(
        [yield* worker.ended, yield* worker.ended],
        [
          { id: "first", as: "done" },
          { id: "second", as: "done" }
        ]
      )
      yield* worker.offer("deliveries", "fourth")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* worker.waiting("deliveries"), 2)
      assert.strictEqual(yield* Queue.size(running), 0)
    })
  )

  it.effect("gives back what takes too long", () =>
    Effect.gen(function* () {
      const [begun, interrupted] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const worker = yield* started({
        concurrency: "1",
        run: () =>
          Deferred.succeed(begun, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      })
      yield* worker.offer("deliveries", "endless")
      yield* Deferred.await(begun)
      // Time that passed before the stop does not count.
      yield* TestClock.adjust("1 hour")
      const stopping = yield* worker.stop
      yield* TestClock.adjust("7 seconds")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.isTrue(yield* Deferred.isDone(interrupted))
      assert.deepStrictEqual(yield* worker.ended, { id: "endless", as: "given back" })
    })
  )

  it.effect("an idle worker stops at once", () =>
    Effect.gen(function* () {
      const worker = yield* started({ run: () => Effect.void })
      yield* Effect.flatMap(worker.stop, Fiber.join)
      yield* worker.offer("deliveries", "late")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* worker.waiting("deliveries"), 1)
    })
  )

  it.effect("runs tasks, and gives back the one that takes too long", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<string>()
      const worker = yield* started({
        concurrency: "1",
        runTask: (id) => (id === "short" ? Effect.void : Effect.andThen(Deferred.succeed(begun, id), Effect.never))
      })
      yield* worker.offer("tasks", "short", "long")
      assert.deepStrictEqual(yield* worker.ended, { id: "short", as: "done" })
      yield* Deferred.await(begun)
      const stopping = yield* worker.stop
      yield* TestClock.adjust("8 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* worker.ended, { id: "long", as: "given back" })
    })
  )

  it.effect("does the queue's upkeep for as long as it runs", () =>
    Effect.gen(function* () {
      const [begun, interrupted] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const worker = yield* started({
        queueUpkeep: Deferred.succeed(begun, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      })
      yield* Deferred.await(begun)
      yield* TestClock.adjust("1 day")
      assert.isFalse(yield* Deferred.isDone(interrupted))
      yield* Effect.flatMap(worker.stop, Fiber.join)
      assert.isTrue(yield* Deferred.isDone(interrupted))
    })
  )
})
