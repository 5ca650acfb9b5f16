import { Bus } from "@devops-mcp/core/ports/Bus"
import { Cache } from "@devops-mcp/core/ports/Cache"
import { busConformance } from "@devops-mcp/testing/conformance/Bus"
import { cacheConformance } from "@devops-mcp/testing/conformance/Cache"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as BusMemory from "../src/BusMemory.ts"
import * as CacheMemory from "../src/CacheMemory.ts"

cacheConformance("CacheMemory", CacheMemory.layer)
busConformance("BusMemory", BusMemory.layer)

describe("CacheMemory", () => {
  it.effect("keeps a value to the last millisecond of its time, reads or not", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      yield* cache.set("key", "value", Duration.seconds(10))
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(yield* cache.get("key"), Option.some("value"))
      assert.isFalse(yield* cache.setIfAbsent("key", "other", Duration.seconds(10)))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* cache.get("key"), Option.none())
      assert.isTrue(yield* cache.setIfAbsent("key", "other", Duration.seconds(10)))
    }).pipe(Effect.provide(CacheMemory.layer))
  )

  it.effect("drops what was unused for longest when it has too many entries", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      for (const key of ["a", "b", "c"]) yield* cache.set(key, key, Duration.minutes(1))
      yield* cache.get("a")
      yield* cache.setIfAbsent("d", "d", Duration.minutes(1))
      const left = yield* Effect.forEach(["a", "b", "c", "d"], (key) => Effect.map(cache.get(key), Option.isSome))
      assert.deepStrictEqual(left, [true, false, true, true])
    }).pipe(Effect.provide(CacheMemory.layerCapacity({ entries: 3, characters: 1_000 })))
  )

  it.effect("drops what was unused for longest when it holds too much", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      yield* cache.set("a", "x".repeat(60), Duration.minutes(1))
      yield* cache.set("a", "x".repeat(50), Duration.minutes(1))
      yield* cache.set("b", "x".repeat(40), Duration.minutes(1))
      assert.isTrue(Option.isSome(yield* cache.get("a")))
      yield* cache.set("c", "x".repeat(20), Duration.minutes(1))
      const left = yield* Effect.forEach(["a", "b", "c"], (key) => Effect.map(cache.get(key), Option.isSome))
      assert.deepStrictEqual(left, [true, false, true])
    }).pipe(Effect.provide(CacheMemory.layerCapacity({ entries: 100, characters: 100 })))
  )

  const Step = Schema.Struct({
    operation: Schema.Literals(["set", "setIfAbsent", "get", "delete", "wait"]),
    key: Schema.Literals(["a", "b", "c"]),
    seconds: Schema.Literals([1, 2, 5])
  })

  it.effect.prop("behaves as a table of expiry times", { steps: Schema.Array(Step) }, ({ steps }) =>
    Effect.gen(function* () {
      const cache = yield* Cache
      const model = new Map<string, { readonly value: string; readonly until: number }>()
      let now = 0
      const alive = (key: string) => ((model.get(key)?.until ?? 0) > now ? model.get(key) : undefined)
      for (const [n, { key, operation, seconds }] of steps.entries()) {
        const timeToLive = Duration.seconds(seconds)
        const entry = { value: `${n}`, until: now + seconds }
        if (operation === "wait") {
          now += seconds
          yield* TestClock.adjust(timeToLive)
        } else if (operation === "delete") {
          model.delete(key)
          yield* cache.delete(key)
        } else if (operation === "set") {
          model.set(key, entry)
          yield* cache.set(key, entry.value, timeToLive)
        } else if (operation === "get") {
          assert.strictEqual(Option.getOrUndefined(yield* cache.get(key)), alive(key)?.value)
        } else {
          const absent = alive(key) === undefined
          assert.strictEqual(yield* cache.setIfAbsent(key, entry.value, timeToLive), absent)
          if (absent) model.set(key, entry)
        }
      }
    }).pipe(Effect.provide(CacheMemory.layer, { local: true }))
  )
})

describe("BusMemory", () => {
  it.effect("loses the oldest of what a subscriber does not read, and nothing else", () =>
    Effect.gen(function* () {
      const bus = yield* Bus
      const stream = yield* bus.subscribe("channel")
      yield* Effect.forEach(
        Array.from({ length: 3_000 }, (_, n) => `${n}`),
        (n) => bus.publish("channel", n)
      )
      const heard = yield* stream.pipe(
        Stream.takeUntil((message) => message === "2999"),
        Stream.runCollect
      )
      assert.deepStrictEqual(
        heard,
        Array.from({ length: heard.length }, (_, n) => `${3_000 - heard.length + n}`)
      )
      assert.isAtLeast(heard.length, 1_000)
    }).pipe(Effect.provide(BusMemory.layer))
  )
})
