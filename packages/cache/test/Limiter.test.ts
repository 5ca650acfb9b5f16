import { type Bucket, Limiter } from "@devops-mcp/core/ports/Limiter"
import { limiterRetryAfter } from "@devops-mcp/resilience/Policies"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Config, ConfigProvider, Duration, Effect, Layer, Option, Redacted, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { RateLimiter } from "effect/persistence"
import { randomUUID } from "node:crypto"
import { CacheLive } from "../src/CacheLive.ts"
import * as RateLimiterStoreMemory from "../src/RateLimiterStoreMemory.ts"
import { redisUrl } from "../src/RedisConnection.ts"
import * as Proxy from "./fixtures/Proxy.ts"

const live = (environment: Record<string, string> = {}) =>
  Layer.fresh(CacheLive).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))))

const window = Duration.minutes(1)

const bucketOf = (limit: number, precision: Bucket["precision"] = "exact"): Bucket => ({
  key: randomUUID(),
  limit,
  window,
  precision
})

/** The most that was allowed within any window that begins with an allowed request. */
const mostInAnyWindow = (allowedAt: ReadonlyArray<number>) =>
  Math.max(0, ...allowedAt.map((start) => allowedAt.filter((at) => at >= start && at < start + 60_000).length))

const Arrivals = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20_000 }))).check(
  Schema.isBetweenLength(1, 120)
)

describe("limits in memory", () => {
  it.effect("let the whole limit through at once, say when there is more, and then as much as comes back", () =>
    Effect.gen(function* () {
      const limiter = yield* Limiter
      const bucket = bucketOf(6)
      for (const remaining of [5, 4, 3, 2, 1, 0]) {
        assert.containSubset(yield* limiter.take(bucket), { allowed: true, limit: 6, remaining, retryAfter: 0 })
      }
      const refused = yield* limiter.take(bucket)
      assert.deepStrictEqual(refused, {
        allowed: false,
        limit: 6,
        remaining: 0,
        resetAfter: 60_000,
        retryAfter: 10_000
      })
      yield* TestClock.adjust("9999 millis")
      assert.isFalse((yield* limiter.take(bucket)).allowed)
      yield* TestClock.adjust("1 millis")
      assert.isTrue((yield* limiter.take(bucket)).allowed)
      assert.isFalse((yield* limiter.take(bucket)).allowed)
    }).pipe(Effect.provide(live()))
  )

  it.effect.prop(
    "never let more than the burst and one window's refill through in any window, and refuse nobody under the limit",
    { gaps: Arrivals, limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10 })) },
    ({ gaps, limit }) =>
      Effect.gen(function* () {
        const limiter = yield* Limiter
        const bucket = bucketOf(limit)
        const allowedAt: Array<number> = []
        const arrivedAt: Array<number> = []
        for (const gap of gaps) {
          yield* TestClock.adjust(gap)
          const now = yield* Clock.currentTimeMillis
          const { allowed } = yield* limiter.take(bucket)
          if (allowed) allowedAt.push(now)
          arrivedAt.push(now)
        }
        assert.isAtMost(mostInAnyWindow(allowedAt), 2 * limit)
        if (mostInAnyWindow(arrivedAt) <= limit) assert.strictEqual(allowedAt.length, arrivedAt.length)
      }).pipe(Effect.provide(live()))
  )

  it.effect("count events for as long as they last", () =>
    Effect.gen(function* () {
      const limiter = yield* Limiter
      assert.deepStrictEqual(yield* limiter.count("a"), { total: 0, leftAfter: 0 })
      yield* limiter.add("a", Duration.seconds(10))
      assert.deepStrictEqual(yield* limiter.add("a", Duration.seconds(10)), { total: 2, leftAfter: 20_000 })
      assert.deepStrictEqual(yield* limiter.count("b"), { total: 0, leftAfter: 0 })
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* limiter.count("a")).total, 0)
    }).pipe(Effect.provide(live()))
  )

  it.effect("keep no more keys than they may, and forget those unused for longest", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make
      const take = (key: string) =>
        limiter.consume({ algorithm: "token-bucket", key, limit: 1, window, onExceeded: "fail" }).pipe(Effect.isSuccess)
      for (const key of ["a", "b"]) assert.isTrue(yield* take(key))
      assert.isFalse(yield* take("a"))
      assert.isTrue(yield* take("c"))
      assert.isFalse(yield* take("a"), "used since")
      assert.isTrue(yield* take("b"), "forgotten")
    }).pipe(Effect.provide(RateLimiterStoreMemory.layerCapacity(2)))
  )
})

const real = Effect.runSync(Config.option(redisUrl))

if (Option.isSome(real)) {
  const url = Redacted.value(real.value)
  const replica = (address = url.href) =>
    Effect.flatMap(Layer.build(live({ REDIS_URL: address })), (context) => Effect.provide(Limiter, context))

  /** How many of so many requests, spread over the replicas as they come, are allowed. */
  const allowedOf = (replicas: ReadonlyArray<Limiter["Service"]>, bucket: Bucket, requests: number) =>
    Effect.map(
      Effect.forEach(
        Array.from({ length: requests }, (_, index) => replicas[index % replicas.length] ?? assert.fail()),
        (limiter) => limiter.take(bucket),
        { concurrency: 50 }
      ),
      (taken) => taken.filter(({ allowed }) => allowed).length
    )

  describe("limits in Redis", () => {
    it.live("are one limit of all replicas", () =>
      Effect.gen(function* () {
        const replicas = [yield* replica(), yield* replica()]
        const bucket = bucketOf(40)
        const [elapsed, allowed] = yield* Effect.timed(allowedOf(replicas, bucket, 200))
        const refilled = Math.floor((Duration.toSeconds(elapsed) * 40) / 60)
        assert.isAtLeast(allowed, 40)
        assert.isAtMost(allowed, 40 + refilled)
        const refused = yield* (replicas[0] ?? assert.fail()).take(bucket)
        assert.isFalse(refused.allowed)
        assert.isAbove(refused.retryAfter, 0)
      }).pipe(Effect.scoped)
    )

    it.live("count events of all replicas", () =>
      Effect.gen(function* () {
        const [one, other] = [yield* replica(), yield* replica()]
        const key = randomUUID()
        assert.strictEqual((yield* other.count(key)).total, 0)
        yield* one.add(key, window)
        yield* other.add(key, window)
        const { leftAfter, total } = yield* one.count(key)
        assert.strictEqual(total, 2)
        assert.isAbove(leftAfter, 60_000)
      }).pipe(Effect.scoped)
    )

    it.live("are never exceeded either when replicas take tokens ahead", () =>
      Effect.gen(function* () {
        const replicas = [yield* replica(), yield* replica(), yield* replica()]
        const bucket = bucketOf(1000, "batched")
        const [elapsed, allowed] = yield* Effect.timed(allowedOf(replicas, bucket, 2000))
        assert.isAtMost(allowed, 1000 + Math.floor((Duration.toSeconds(elapsed) * 1000) / 60))
        assert.isAtLeast(allowed, 950, "next to nothing is lost to requests that never came")
      }).pipe(Effect.scoped)
    )

    it.live("are counted by each replica while Redis is away, which it says, and shared again after", () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy.make({ host: url.hostname, port: Number(url.port || "6379") })
        const through = new URL(url)
        through.host = `127.0.0.1:${proxy.port}`
        const near = yield* replica(through.href)
        const far = yield* replica()
        const bucket = bucketOf(3)
        assert.isTrue((yield* near.take(bucket)).allowed)
        yield* near.check
        yield* proxy.refuse(true)
        yield* proxy.cut
        const alone = yield* Effect.forEach([1, 2, 3, 4, 5], () => near.take(bucket))
        assert.deepStrictEqual(
          alone.map(({ allowed }) => allowed),
          [true, true, true, false, false]
        )
        assert.include((yield* Effect.flip(near.check)).message, "each replica")
        yield* proxy.refuse(false)
        yield* Effect.retry(near.check, { schedule: Schedule.spaced("20 millis"), times: 500 })
        yield* Effect.sleep(limiterRetryAfter)
        assert.strictEqual((yield* near.take(bucket)).remaining, 1, "as Redis has it")
        assert.strictEqual((yield* far.take(bucket)).remaining, 0)
        assert.isFalse((yield* near.take(bucket)).allowed)
      }).pipe(Effect.scoped)
    )
  })
}
