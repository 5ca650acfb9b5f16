import { Cache } from "@devops-mcp/core/ports/Cache"
import { assert, layer as suite } from "@effect/vitest"
import { Duration, Effect, type Layer, Option, Random, Schedule } from "effect"

const fresh = Effect.map(Random.nextInt, (n) => `conformance:${n}`)

const minute = Duration.minutes(1)

/** What every cache promises: values until they expire, and one winner of any race for an absent key. */
export const cacheConformance = <E>(name: string, layer: Layer.Layer<Cache, E>) =>
  suite(layer, { excludeTestServices: true })(`Cache: ${name}`, (it) => {
    it.effect("gives back what was set last, and nothing for what was not", () =>
      Effect.gen(function* () {
        const cache = yield* Cache
        const key = yield* fresh
        assert.deepStrictEqual(yield* cache.get(key), Option.none())
        for (const value of ["one", "", 'zwei\u0000 \n 🚀 "', "x".repeat(100_000)]) {
          yield* cache.set(key, value, minute)
          assert.deepStrictEqual(yield* cache.get(key), Option.some(value))
        }
        yield* cache.delete(key)
        assert.deepStrictEqual(yield* cache.get(key), Option.none())
      })
    )

    it.effect("deletes what is not there", () =>
      Effect.gen(function* () {
        const cache = yield* Cache
        yield* cache.delete(yield* fresh)
      })
    )

    it.effect("keeps keys apart, whatever is in them", () =>
      Effect.gen(function* () {
        const cache = yield* Cache
        const key = yield* fresh
        const keys = ["", " ", ":", "*", "__proto__", "\r\n", "é", "e\u0301"].map((end) => key + end)
        yield* Effect.forEach(keys, (one, n) => cache.set(one, `${n}`, minute))
        const values = yield* Effect.forEach(keys, (one) => cache.get(one))
        assert.deepStrictEqual(
          values,
          keys.map((_, n) => Option.some(`${n}`))
        )
      })
    )

    it.effect("forgets a value when its time has passed, and then lets it be set again", () =>
      Effect.gen(function* () {
        const cache = yield* Cache
        const key = yield* fresh
        yield* cache.set(key, "short", Duration.millis(20))
        yield* cache
          .get(key)
          .pipe(
            Effect.repeat({ until: Option.isNone, schedule: Schedule.spaced("5 millis") }),
            Effect.timeout("5 seconds")
          )
        assert.isTrue(yield* cache.setIfAbsent(key, "new", minute))
        assert.deepStrictEqual(yield* cache.get(key), Option.some("new"))
      })
    )

    it.effect("takes any time to live", () =>
      Effect.gen(function* () {
        const cache = yield* Cache
        const key = yield* fresh
        for (const long of [Duration.infinity, Duration.days(400_000), Duration.millis(60_000.4)]) {
          yield* cache.set(key, "long", long)
          assert.deepStrictEqual(yield* cache.get(key), Option.some("long"))
        }
        for (const short of [Duration.zero, Duration.millis(-5), Duration.micros(3n)]) {
          yield* cache.set(key, "short", short)
          yield* cache
            .get(key)
            .pipe(
              Effect.repeat({ until: Option.isNone, schedule: Schedule.spaced("1 millis") }),
              Effect.timeout("5 seconds")
            )
        }
      })
    )

    it.effect("a later value has the later time to live", () =>
      Effect.gen(function* () {
        const cache = yield* Cache
        const key = yield* fresh
        const other = yield* fresh
        yield* cache.set(key, "first", Duration.millis(10))
        yield* cache.set(key, "second", minute)
        yield* cache.set(other, "until", Duration.millis(20))
        yield* cache
          .get(other)
          .pipe(
            Effect.repeat({ until: Option.isNone, schedule: Schedule.spaced("5 millis") }),
            Effect.timeout("5 seconds")
          )
        assert.deepStrictEqual(yield* cache.get(key), Option.some("second"))
      })
    )

    it.effect("has exactly one winner among 24 that set an absent key at once", () =>
      Effect.gen(function* () {
        const cache = yield* Cache
        for (let round = 0; round < 10; round++) {
          const key = yield* fresh
          const won = yield* Effect.forEach(
            Array.from({ length: 24 }, (_, n) => `${n}`),
            (value) => Effect.map(cache.setIfAbsent(key, value, minute), (set) => ({ set, value })),
            { concurrency: "unbounded" }
          )
          const winners = won.filter(({ set }) => set)
          assert.lengthOf(winners, 1)
          assert.deepStrictEqual(yield* cache.get(key), Option.some(winners[0]!.value))
          yield* cache.delete(key)
          assert.isTrue(yield* cache.setIfAbsent(key, "again", minute))
        }
      })
    )
  })
