import { type Job, QueueName, queueOf } from "@devops-mcp/contract/Jobs"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Ref } from "effect"
import { TestClock } from "effect/testing"
import { type Ended, names, started } from "./WorkerFakes.ts"

/** The most jobs of a queue that ran at once, and whether there were ever so many; they end when they are told to. */
const counting = Effect.fnUntraced(function* (expected: number, release: Deferred.Deferred<void>) {
  const [running, most, full] = [yield* Ref.make(0), yield* Ref.make(0), yield* Deferred.make<void>()]
  const run = Effect.gen(function* () {
    const now = yield* Ref.updateAndGet(running, (n) => n + 1)
    yield* Ref.update(most, (n) => Math.max(n, now))
    if (now >= expected) yield* Deferred.succeed(full, undefined)
    yield* Deferred.await(release)
    yield* Ref.update(running, (n) => n - 1)
  })
  return { run, most: Ref.get(most), full: Deferred.await(full), expected }
})

describe("Worker's places", () => {
  for (const [concurrency, ofDeliveries, ofOthers] of [
    [undefined, 16, 4],
    ["1", 1, 1],
    ["3", 3, 1],
    ["8", 8, 2],
    ["256", 256, 64]
  ] as const) {
    it.effect(
      `run ${ofDeliveries} deliveries and ${ofOthers} of each other type at once with WORKER_CONCURRENCY=${concurrency ?? ""}`,
      () =>
        Effect.gen(function* () {
          const release = yield* Deferred.make<void>()
          const counts = {
            deliveries: yield* counting(ofDeliveries, release),
            documents: yield* counting(ofOthers, release),
            contexts: yield* counting(ofOthers, release),
            tasks: yield* counting(ofOthers, release)
          } satisfies Readonly<Record<QueueName, unknown>>
          const run = (_: string, job: Job) => counts[queueOf[job._tag]].run
          const worker = yield* started({ ...(concurrency === undefined ? {} : { concurrency }), run, runTask: run })
          const offered: Array<string> = []
          for (const name of QueueName.literals) {
            const ids = names(name, counts[name].expected + 5)
            offered.push(...ids)
            yield* worker.offer(name, ...ids)
          }
          for (const name of QueueName.literals) yield* counts[name].full
          yield* TestClock.adjust("1 second")
          for (const name of QueueName.literals) assert.strictEqual(yield* worker.waiting(name), 5, name)
          yield* Deferred.succeed(release, undefined)
          const ended = yield* Effect.forEach(offered, () => worker.ended)
          assert.sameDeepMembers(
            ended,
            offered.map((id): Ended => ({ id, as: "done" }))
          )
          for (const name of QueueName.literals) {
            assert.strictEqual(yield* counts[name].most, counts[name].expected, name)
          }
          yield* Effect.flatMap(worker.stop, Fiber.join)
        })
    )
  }

  for (const flooded of QueueName.literals) {
    it.effect(`of other queues are free however many ${flooded} wait`, () =>
      Effect.gen(function* () {
        const release = yield* Deferred.make<void>()
        const run = (_: string, job: Job) => (queueOf[job._tag] === flooded ? Deferred.await(release) : Effect.void)
        const worker = yield* started({ concurrency: "4", run, runTask: run })
        const flood = names(flooded, 100)
        yield* worker.offer(flooded, ...flood)
        yield* TestClock.adjust("1 second")
        const others = QueueName.literals.filter((name) => name !== flooded)
        const ids = others.flatMap((name) => names(name, 20))
        for (const name of others) yield* worker.offer(name, ...names(name, 20))
        const ended = yield* Effect.forEach(ids, () => worker.ended)
        assert.sameDeepMembers(
          ended,
          ids.map((id): Ended => ({ id, as: "done" }))
        )
        assert.strictEqual(yield* worker.waiting(flooded), flooded === "deliveries" ? 96 : 99)
        yield* Deferred.succeed(release, undefined)
        const rest = yield* Effect.forEach(flood, () => worker.ended)
        assert.sameDeepMembers(
          rest,
          flood.map((id): Ended => ({ id, as: "done" }))
        )
      })
    )
  }

  it.effect("are refused a bad WORKER_CONCURRENCY", () =>
    Effect.forEach(
      ["0", "-1", "257", "1.5", "many"],
      Effect.fnUntraced(function* (concurrency) {
        const refused = yield* Effect.flip(started({ concurrency }))
        assert.strictEqual(refused._tag, "ConfigError", concurrency)
        assert.include(refused.message, "WORKER_CONCURRENCY")
      })
    )
  )
})
