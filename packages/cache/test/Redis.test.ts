import { Bus } from "@devops-mcp/core/ports/Bus"
import { Cache } from "@devops-mcp/core/ports/Cache"
import { redisConnectTimeout } from "@devops-mcp/resilience/Policies"
import { busConformance } from "@devops-mcp/testing/conformance/Bus"
import { cacheConformance } from "@devops-mcp/testing/conformance/Cache"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Fiber, Layer, Option, Redacted, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { CacheLive } from "../src/CacheLive.ts"
import { redisUrl, RedisUnavailable } from "../src/RedisConnection.ts"
import * as Proxy from "./fixtures/Proxy.ts"

const live = (environment: Record<string, string>) =>
  CacheLive.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))), Layer.fresh)

const minute = Duration.minutes(1)

describe("CacheLive", () => {
  it.effect("is in memory without REDIS_URL", () =>
    Effect.gen(function* () {
      const cache = yield* Cache
      yield* Bus
      yield* cache.set("key", "value", minute)
      yield* TestClock.adjust(minute)
      assert.deepStrictEqual(yield* cache.get("key"), Option.none())
    }).pipe(Effect.provide(live({})))
  )

  it.effect("names REDIS_URL when it is wrong, and not its value", () =>
    Effect.gen(function* () {
      for (const wrong of ["s3cret", "http://:s3cret@localhost", "redis:s3cret", "s3cret:6379"]) {
        const error = yield* Effect.flip(Effect.provide(Cache, live({ REDIS_URL: wrong })))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, "REDIS_URL")
        assert.notInclude(inspect(error, { depth: 9 }), "s3cret")
      }
    })
  )

  it.live("says where no Redis answers, and not with which password", () =>
    Effect.gen(function* () {
      const proxy = yield* Proxy.make()
      yield* proxy.close
      for (const scheme of ["redis", "rediss"]) {
        const url = `${scheme}://someone:s3cret@127.0.0.1:${proxy.port}`
        const error = yield* Effect.flip(Effect.provide(Cache, live({ REDIS_URL: url })))
        assert.instanceOf(error, RedisUnavailable)
        assert.include(error.message, `127.0.0.1:${proxy.port}`)
        assert.include(error.message, "ECONNREFUSED")
        assert.notInclude(inspect(error, { depth: 9 }), "s3cret")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("does not wait for ever for a server that says nothing", () =>
    Effect.gen(function* () {
      const proxy = yield* Proxy.make()
      const starting = yield* Effect.forkChild(
        Effect.flip(Effect.provide(Cache, live({ REDIS_URL: `redis://127.0.0.1:${proxy.port}` })))
      )
      yield* proxy.accepted
      yield* TestClock.adjust(redisConnectTimeout)
      const error = yield* Fiber.join(starting)
      assert.instanceOf(error, RedisUnavailable)
      assert.include(error.message, "no answer in")
    }).pipe(Effect.scoped)
  )
})

const real = Effect.runSync(Config.option(redisUrl))

if (Option.isSome(real)) {
  const url = Redacted.value(real.value)
  const direct = live({ REDIS_URL: url.href })
  cacheConformance("CacheRedis", direct)
  busConformance("BusRedis", direct)

  const setup = Effect.gen(function* () {
    const proxy = yield* Proxy.make({ host: url.hostname, port: Number(url.port || "6379") })
    const through = new URL(url)
    through.host = `127.0.0.1:${proxy.port}`
    const near = yield* Layer.build(live({ REDIS_URL: through.href }))
    const far = yield* Layer.build(direct)
    return {
      proxy,
      cache: yield* Effect.provide(Cache, near),
      bus: yield* Effect.provide(Bus, near),
      other: yield* Effect.provide(Bus, far)
    }
  })

  const soon = Schedule.spaced("20 millis")

  describe("a Redis that fails", () => {
    it.live("is used again when it is back, by commands and subscribers", () =>
      Effect.gen(function* () {
        const { bus, cache, other, proxy } = yield* setup
        const one = yield* bus.subscribe("conformance:fails:one")
        const two = yield* bus.subscribe("conformance:fails:two")
        yield* proxy.refuse(true)
        yield* proxy.cut
        assert.strictEqual((yield* Effect.flip(cache.get("conformance:fails"))).operation, "get")
        assert.strictEqual((yield* Effect.flip(bus.publish("conformance:fails", ""))).operation, "publish")
        assert.strictEqual(
          (yield* Effect.flip(Effect.scoped(bus.subscribe("conformance:fails")))).operation,
          "subscribe"
        )
        yield* proxy.refuse(false)
        yield* Effect.retry(cache.get("conformance:fails"), { schedule: soon, times: 500 })
        for (const [channel, stream] of [
          ["conformance:fails:one", one],
          ["conformance:fails:two", two]
        ] as const) {
          const heard = yield* Effect.raceFirst(
            stream.pipe(Stream.take(1), Stream.runCollect),
            Effect.andThen(Effect.repeat(other.publish(channel, "heard"), soon), Effect.never)
          ).pipe(Effect.timeout("10 seconds"))
          assert.deepStrictEqual(heard, ["heard"])
        }
      }).pipe(Effect.scoped)
    )

    it.live("is not waited for when it does not answer", () =>
      Effect.gen(function* () {
        const { bus, cache, proxy } = yield* setup
        yield* cache.set("conformance:frozen", "value", minute)
        yield* proxy.freeze
        const [elapsed, errors] = yield* Effect.timed(
          Effect.all(
            [
              Effect.flip(cache.get("conformance:frozen")),
              Effect.flip(cache.setIfAbsent("conformance:frozen", "x", minute)),
              Effect.flip(bus.publish("conformance:frozen", "x")),
              Effect.flip(Effect.scoped(bus.subscribe("conformance:frozen")))
            ],
            { concurrency: "unbounded" }
          )
        )
        assert.deepStrictEqual(
          errors.map((error) => error.operation),
          ["get", "setIfAbsent", "publish", "subscribe"]
        )
        assert.isBelow(Duration.toSeconds(elapsed), 10)
      }).pipe(Effect.scoped)
    )
  })
}
