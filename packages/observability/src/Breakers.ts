import { breakerIdleTime, type BreakerPolicy, breakerSweeping, breakerTrying } from "@devops-mcp/resilience/Outages"
import type { Retryable } from "@devops-mcp/resilience/Policies"
import { Cause, Clock, Duration, Effect, Exit, Layer, Metric, Option, Stream } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { circuitBreakerState } from "./Metrics.ts"

/** What a call fails with: only what may succeed later says that the service is away. */
export interface ServiceFailure extends Retryable {
  /** Milliseconds that the service asked us to wait. */
  readonly retryAfter?: number
}

/** Why a call failed: the service has not answered lately. */
export interface OpenCircuit<E> {
  /** Milliseconds until the service is tried again. */
  readonly retryAfter: number
  /** The call's own failure, where it was made and has opened the circuit; otherwise it was not made. */
  readonly failure?: E
}

export interface Protected<E, E2> {
  /** One circuit each. Bounded: what is called beyond the limit has none. */
  readonly key?: string
  readonly onOpen: (open: OpenCircuit<E>) => E2
}

/** Circuits of one service, and so the memory that keys of others' making can take. */
const mostCircuits = 1_000

const figures = { Closed: 0, HalfOpen: 1, Open: 2 }

interface Circuit {
  usedAt: number
  state: keyof typeof figures
}

/** A refusal of ours is an answer, so the service is there; a defect says nothing of it. */
const outcomeOf = <A, E extends ServiceFailure>(exit: Exit.Exit<A, E>): CircuitBreaker.Outcome => {
  if (Exit.isSuccess(exit)) return CircuitBreaker.success
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isNone(error)) return CircuitBreaker.ignored
  const { retryable, retryAfter } = error.value
  return retryable ? CircuitBreaker.failure({ retryAfter }) : CircuitBreaker.success
}

/**
 * Circuits to one external service, in this process: what fails so often in a row is not called for a while, and its
 * callers fail at once with an error of theirs. Retries and timeouts belong inside, the limit on calls at once outside.
 * Its worst state is published as `circuit_breaker_state`.
 */
export const makeBreaker = Effect.fnUntraced(function* (service: string, policy: BreakerPolicy) {
  const store = yield* Layer.build(CircuitBreaker.layerStoreMemory({ idleTimeToLive: breakerIdleTime }))
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(policy.failures),
    openDuration: policy.openFor,
    maxOpenDuration: policy.longestOpen
  }).pipe(Effect.provideContext(store))
  const circuits = new Map<string, Circuit>()
  const gauge = Metric.withAttributes(circuitBreakerState, { service })

  const publish = Effect.suspend(() =>
    Metric.update(gauge, Math.max(0, ...Array.from(circuits.values(), ({ state }) => figures[state])))
  )

  const follow = Effect.fnUntraced(function* (transition: CircuitBreaker.Transition) {
    const { key, to } = transition
    const circuit = circuits.get(key)
    if (circuit !== undefined) circuit.state = to
    yield* publish
    if (to === "Open") {
      const { consecutiveOpenings, retryAfter } = transition
      const annotations = { service, key, openings: consecutiveOpenings, openFor: Duration.format(retryAfter) }
      yield* Effect.logWarning("A service does not answer and is not called for a while", annotations)
    }
    if (to === "Closed") yield* Effect.logInfo("A service answers again", { service, key })
  })

  const forget = Effect.gen(function* () {
    const idle = (yield* Clock.currentTimeMillis) - Duration.toMillis(breakerIdleTime)
    for (const [key, { usedAt }] of circuits) if (usedAt < idle) circuits.delete(key)
    yield* publish
  })

  /** Whether this key has a circuit. */
  const isKept = (key: string, now: number) => {
    const known = circuits.get(key)
    if (known !== undefined) {
      known.usedAt = now
      return true
    }
    if (circuits.size >= mostCircuits) return false
    circuits.set(key, { usedAt: now, state: "Closed" })
    return true
  }

  yield* publish
  yield* Effect.forkScoped(Stream.runForEach(breaker.transitions, follow), { startImmediately: true })
  yield* Effect.forkScoped(Effect.schedule(forget, breakerSweeping))

  return {
    /** Makes the call through the circuit, and fails with `onOpen` where that is open or has just been opened. */
    protect: <A, E extends ServiceFailure, R, E2>(
      call: Effect.Effect<A, E, R>,
      { key = service, onOpen }: Protected<E, E2>
    ): Effect.Effect<A, E | E2, R> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (!isKept(key, now)) return call
        return breaker.execute(call, { key, classify: outcomeOf }).pipe(
          Effect.catch((error) =>
            Effect.gen(function* (): Effect.fn.Return<never, E | E2> {
              if (error instanceof CircuitBreaker.CircuitBreakerError) {
                const { reason } = error
                const wait = reason._tag === "CircuitOpen" ? reason.retryAfter : breakerTrying
                return yield* Effect.fail(onOpen({ retryAfter: Duration.toMillis(wait) }))
              }
              if (!error.retryable) return yield* Effect.fail(error)
              const state = yield* Effect.orDie(breaker.state(key))
              if (state._tag !== "Open") return yield* Effect.fail(error)
              return yield* Effect.fail(onOpen({ retryAfter: Duration.toMillis(state.retryAfter), failure: error }))
            })
          )
        )
      })
  }
})

export type Breaker = Effect.Success<ReturnType<typeof makeBreaker>>
