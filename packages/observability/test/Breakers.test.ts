import { makeBreaker, type OpenCircuit } from "@devops-mcp/observability/Breakers"
import { circuitBreakerState } from "@devops-mcp/observability/Metrics"
import { breakerIdleTime, breakerTrying } from "@devops-mcp/resilience/Outages"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Metric, Schedule } from "effect"
import { TestClock } from "effect/testing"

const policy = {
  failures: 3,
  openFor: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("4 seconds")]),
  longestOpen: Duration.seconds(30)
}

interface Failure {
  readonly retryable: boolean
  readonly retryAfter?: number
}

interface Refused extends OpenCircuit<Failure> {
  readonly wasTried: boolean
}

const wasTried = (error: Failure | Refused) => !("wasTried" in error) || error.wasTried

const away: Failure = { retryable: true }

/** A breaker of a service whose next answer the test sets, and how often that was called. */
const setup = Effect.gen(function* () {
  const breaker = yield* makeBreaker("remote", policy)
  const service: { calls: number; answer: Effect.Effect<string, Failure> } = { calls: 0, answer: Effect.fail(away) }
  const call = (key?: string) =>
    breaker.protect(
      Effect.suspend(() => {
        service.calls++
        return service.answer
      }),
      {
        ...(key === undefined ? {} : { key }),
        onOpen: (open: OpenCircuit<Failure>): Refused => ({ ...open, wasTried: open.failure !== undefined })
      }
    )
  const state = Effect.map(
    Metric.value(Metric.withAttributes(circuitBreakerState, { service: "remote" })),
    ({ value }) => Number(value)
  )
  return { call, service, state }
})

const tripped = Effect.tap(setup, ({ call }) => Effect.replicateEffect(Effect.flip(call()), 3))

describe("Breakers", () => {
  it.effect("opens after so many failures in a row, and closes when the service answers again", () =>
    Effect.gen(function* () {
      const { call, service, state } = yield* setup
      assert.strictEqual(yield* state, 0)
      assert.deepStrictEqual(yield* Effect.flip(call()), away)
      assert.deepStrictEqual(yield* Effect.flip(call()), away)
      // The one that opens it says so, and why.
      assert.deepStrictEqual(yield* Effect.flip(call()), { retryAfter: 1_000, failure: away, wasTried: true })
      assert.strictEqual(yield* state, 2)
      yield* TestClock.adjust("400 millis")
      assert.deepStrictEqual(yield* Effect.flip(call()), { retryAfter: 600, wasTried: false })
      assert.strictEqual(service.calls, 3)
      service.answer = Effect.succeed("hello")
      yield* TestClock.adjust("600 millis")
      assert.strictEqual(yield* call(), "hello")
      assert.strictEqual(yield* state, 0)
    })
  )

  it.effect("a success between failures starts the count anew", () =>
    Effect.gen(function* () {
      const { call, service, state } = yield* setup
      for (const answer of [Effect.fail(away), Effect.fail(away), Effect.succeed("hello"), Effect.fail(away)]) {
        service.answer = answer
        yield* Effect.exit(call())
      }
      assert.deepStrictEqual(yield* Effect.flip(call()), away)
      assert.strictEqual(yield* state, 0)
    })
  )

  it.effect("what is of no use to repeat is an answer, and bugs say nothing of the service", () =>
    Effect.gen(function* () {
      const { call, service, state } = yield* setup
      yield* Effect.replicateEffect(Effect.flip(call()), 2)
      service.answer = Effect.die("a bug")
      yield* Effect.exit(call())
      service.answer = Effect.fail({ retryable: false })
      for (let index = 0; index < 5; index++) {
        assert.deepStrictEqual(yield* Effect.flip(call()), { retryable: false })
      }
      service.answer = Effect.fail(away)
      yield* Effect.replicateEffect(Effect.flip(call()), 2)
      assert.strictEqual(yield* state, 0)
      service.answer = Effect.die("a bug")
      yield* Effect.exit(call())
      service.answer = Effect.fail(away)
      yield* Effect.flip(call())
      assert.strictEqual(yield* state, 2)
    })
  )

  it.effect("stays open longer each time, up to a limit, and as long as the service asks within another", () =>
    Effect.gen(function* () {
      const { call, service } = yield* tripped
      const waits: Array<number> = []
      const tryAgain = Effect.gen(function* () {
        const { retryAfter = 0 } = yield* Effect.flip(call())
        yield* TestClock.adjust(Duration.millis(retryAfter))
        const tried = yield* Effect.flip(call())
        waits.push(tried.retryAfter ?? 0)
      })
      yield* Effect.replicateEffect(tryAgain, 3)
      service.answer = Effect.fail({ retryable: true, retryAfter: 10_000 })
      yield* tryAgain
      service.answer = Effect.fail({ retryable: true, retryAfter: 3_600_000 })
      yield* tryAgain
      assert.deepStrictEqual(waits, [2_000, 4_000, 4_000, 10_000, 30_000])
    })
  )

  it.effect("lets one call through to try the service, and the others wait for what becomes of it", () =>
    Effect.gen(function* () {
      const { call, service, state } = yield* tripped
      yield* TestClock.adjust("1 second")
      const answer = yield* Deferred.make<string>()
      service.answer = Deferred.await(answer)
      const trying = yield* Effect.forkChild(call(), { startImmediately: true })
      const retryAfter = Duration.toMillis(breakerTrying)
      assert.deepStrictEqual(yield* Effect.flip(call()), { retryAfter, wasTried: false })
      assert.strictEqual(yield* state, 1)
      yield* Deferred.succeed(answer, "hello")
      assert.strictEqual(yield* Fiber.join(trying), "hello")
      assert.strictEqual(yield* call(), "hello")
    })
  )

  it.effect("has a circuit for each key, publishes the worst and forgets what nobody calls", () =>
    Effect.gen(function* () {
      const { call, service, state } = yield* setup
      yield* Effect.replicateEffect(Effect.flip(call("a")), 3)
      assert.strictEqual(yield* state, 2)
      service.answer = Effect.succeed("hello")
      assert.strictEqual(yield* call("b"), "hello")
      assert.isFalse(wasTried(yield* Effect.flip(call("a"))))
      assert.strictEqual(yield* state, 2)
      yield* TestClock.adjust(Duration.sum(breakerIdleTime, Duration.minutes(2)))
      assert.strictEqual(yield* state, 0)
      assert.strictEqual(yield* call("a"), "hello")
    })
  )

  it.effect("keeps a bounded number of circuits: keys beyond it are called without one", () =>
    Effect.gen(function* () {
      const { call, service } = yield* setup
      service.answer = Effect.succeed("hello")
      yield* Effect.forEach(
        Array.from({ length: 1_000 }, (_, index) => `${index}`),
        call,
        { discard: true }
      )
      service.answer = Effect.fail(away)
      for (let index = 0; index < 5; index++) assert.deepStrictEqual(yield* Effect.flip(call("one more")), away)
      yield* Effect.replicateEffect(Effect.flip(call("7")), 3)
      assert.isFalse(wasTried(yield* Effect.flip(call("7"))))
    })
  )
})
