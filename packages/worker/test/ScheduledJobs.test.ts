import { QueueName } from "@devops-mcp/contract/Jobs"
import { QueueError } from "@devops-mcp/core/ports/JobQueue"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { queueDepth, queueInFlight, queueOldestAge } from "@devops-mcp/observability/Metrics"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Metric, Ref } from "effect"
import { TestClock } from "effect/testing"
import { started } from "./WorkerFakes.ts"

describe("Worker, now and then", () => {
  it.effect("removes expired tasks now and then, also after a time without a database", () =>
    Effect.gen(function* () {
      const swept = yield* Ref.make(0)
      const gone = new StoreError({ operation: "sweep", retryable: true, cause: new Error("down") })
      yield* started({
        sweepTasks: Effect.flatMap(
          Ref.updateAndGet(swept, (n) => n + 1),
          (n) => (n === 1 ? Effect.fail(gone) : Effect.void)
        )
      })
      assert.strictEqual(yield* Ref.get(swept), 0)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* Ref.get(swept), 1)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* Ref.get(swept), 3)
    })
  )

  it.effect("removes answers whose time is over every ten minutes, and goes on when the database was gone", () =>
    Effect.gen(function* () {
      const swept = yield* Ref.make(0)
      const gone = new StoreError({ operation: "sweep", retryable: true, cause: new Error("gone") })
      yield* started({
        sweepReplays: Effect.flatMap(
          Ref.updateAndGet(swept, (n) => n + 1),
          (n) => (n === 1 ? Effect.fail(gone) : Effect.void)
        )
      })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* Ref.get(swept), 1)
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual(yield* Ref.get(swept), 3)
    })
  )

  it.effect("looks after the audit log at once and every hour, for a year unless told otherwise", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const gone = new StoreError({ operation: "upkeep", retryable: true, cause: new Error("gone") })
      yield* started({
        upkeep: (retention) =>
          Effect.suspend(() => {
            asked.push(Duration.toDays(retention))
            return asked.length === 1 ? Effect.fail(gone) : Effect.succeed(["audit_log_2024_01"])
          })
      })
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(asked, [365])
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(asked, [365, 365, 365])
    })
  )

  it.effect("removes discarded dead letters every hour, and goes on when the database was gone", () =>
    Effect.gen(function* () {
      const swept = yield* Ref.make(0)
      const gone = new StoreError({ operation: "sweep", retryable: true, cause: new Error("gone") })
      yield* started({
        sweepLetters: Effect.flatMap(
          Ref.updateAndGet(swept, (n) => n + 1),
          (n) => (n === 1 ? Effect.fail(gone) : Effect.void)
        )
      })
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* Ref.get(swept), 0)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Ref.get(swept), 1)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(yield* Ref.get(swept), 3)
    })
  )

  it.effect("publishes what waits in each queue, also after a time without an answer", () =>
    Effect.gen(function* () {
      const asked = yield* Ref.make(0)
      const down = new QueueError({ operation: "stats", retryable: true, cause: new Error("down") })
      const stats = QueueName.literals.map((name, index) => ({
        name,
        depth: 70 + index,
        inFlight: 10 + index,
        oldestAgeSeconds: 42.5 + index
      }))
      yield* started({
        stats: Effect.flatMap(
          Ref.updateAndGet(asked, (n) => n + 1),
          (n) => (n === 1 ? Effect.fail(down) : Effect.succeed(stats))
        )
      })
      const published = Effect.forEach(
        QueueName.literals,
        Effect.fnUntraced(function* (name) {
          const valueOf = (gauge: typeof queueDepth) =>
            Effect.map(Metric.value(Metric.withAttributes(gauge, { queue: name })), ({ value }) => value)
          const [depth, inFlight] = [yield* valueOf(queueDepth), yield* valueOf(queueInFlight)]
          return { name, depth, inFlight, oldestAgeSeconds: yield* valueOf(queueOldestAge) }
        })
      )
      // At its start already: what is scraped first has the figures.
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* Ref.get(asked), 1)
      assert.notDeepEqual(yield* published, stats)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* published, stats)
    })
  )
})
