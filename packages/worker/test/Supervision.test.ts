import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Ref } from "effect"
import { TestClock } from "effect/testing"
import { started } from "./WorkerFakes.ts"

/** Ends by a bug the first times it is run. */
const buggy = Effect.fnUntraced(function* (times: number) {
  const runs = yield* Ref.make(0)
  const run = Effect.flatMap(
    Ref.updateAndGet(runs, (n) => n + 1),
    (n) => (n <= times ? Effect.die(new Error("a bug")) : Effect.void)
  )
  return { run, runs: Ref.get(runs) }
})

const ok = [{ name: "worker", required: false, status: "ok" as const }]

const failing = (part: string) => [
  { name: "worker", required: false, status: "failing" as const, detail: `Ended by an error of ours: ${part}` }
]

describe("A part of the worker that ends", () => {
  it.effect("is logged as an error, shown by the health, and started again: a scheduled one", () =>
    Effect.gen(function* () {
      const { run, runs } = yield* buggy(1)
      const worker = yield* started({ sweepTasks: run })
      assert.deepStrictEqual((yield* worker.health).checks, ok)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* runs, 1)
      assert.lengthOf(worker.errors, 1)
      assert.include(worker.errors[0], "sweep of tasks")
      assert.include(worker.errors[0], "a bug")
      assert.deepStrictEqual((yield* worker.health).checks, failing("sweep of tasks"))
      // What it does without is not what it cannot do without.
      assert.strictEqual((yield* worker.health).status, "ready")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* worker.health).checks, failing("sweep of tasks"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* worker.health).checks, ok)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* runs, 2)
    })
  )

  it.effect("the queue's upkeep", () =>
    Effect.gen(function* () {
      const { run, runs } = yield* buggy(3)
      const worker = yield* started({ queueUpkeep: Effect.andThen(run, Effect.never) })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([yield* runs, worker.errors.length], [4, 3])
      assert.deepStrictEqual((yield* worker.health).checks, failing("upkeep of the queue"))
    })
  )

  it.effect("a place for jobs, also one whose job interrupts itself", () =>
    Effect.gen(function* () {
      const { run } = yield* buggy(1)
      const worker = yield* started({
        concurrency: "1",
        run: (id) => (id === "stops itself" ? Effect.interrupt : Effect.void),
        take: (name) => (name === "deliveries" ? run : Effect.void)
      })
      yield* worker.offer("deliveries", "first", "stops itself", "last")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* worker.ended, { id: "first", as: "done" })
      assert.deepStrictEqual(yield* worker.ended, { id: "stops itself", as: "given back" })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* worker.ended, { id: "last", as: "done" })
    })
  )

  it.effect("with the worker itself is neither an error nor started again", () =>
    Effect.gen(function* () {
      const worker = yield* started({})
      yield* Effect.flatMap(worker.stop, Fiber.join)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(worker.errors, [])
    })
  )
})
