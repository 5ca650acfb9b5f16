import { Array, Clock, Duration, Effect, Queue } from "effect"
import { connectTo, exchange, percentile } from "../Load.ts"
import { spreadOf } from "../Rounds.ts"
import type { LoadRequest } from "../Wire.ts"

/** Senders that may wait for their answers at once; many more than come to that when the server keeps up. */
const connections = 64

/** Deliveries in a second, and how long and how often. */
export const steady = { perSecond: 200, span: Duration.seconds(4), rounds: 3 }

/**
 * Sends on schedule, whatever has been answered by then. A delivery's latency counts from the time that it was due, so
 * what waits because the server or this program was late is late too.
 */
const once = Effect.fnUntraced(function* (request: LoadRequest) {
  const idle = yield* Queue.unbounded<Effect.Success<ReturnType<typeof connectTo>>>()
  const open = yield* Effect.forEach(
    Array.makeBy(connections, () => request),
    connectTo
  )
  yield* Queue.offerAll(idle, open)
  const clock = yield* Clock.Clock
  const startsAt = clock.currentTimeNanosUnsafe() + 100_000_000n
  const total = steady.perSecond * Duration.toSeconds(steady.span)
  const interval = 1e9 / steady.perSecond
  const latencies: Array<number> = []
  yield* Effect.forEach(
    Array.range(0, total - 1),
    Effect.fnUntraced(function* (index) {
      const dueAt = startsAt + BigInt(Math.round(index * interval))
      yield* Effect.sleep(Duration.nanos(dueAt - clock.currentTimeNanosUnsafe()))
      const connection = yield* Queue.take(idle)
      yield* exchange(connection)
      latencies.push(Number(clock.currentTimeNanosUnsafe() - dueAt) / 1e6)
      yield* Queue.offer(idle, connection)
    }),
    { concurrency: "unbounded", discard: true }
  ).pipe(
    // What is still not answered then counts as late for ever.
    Effect.timeoutOrElse({
      duration: Duration.times(steady.span, 3),
      orElse: () => Effect.sync(() => latencies.push(...Array.replicate(Infinity, total - latencies.length)))
    })
  )
  const sorted = Float64Array.from(latencies).toSorted()
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
}, Effect.scoped)

/** Latencies of accepting at a steady rate, in milliseconds, once everything has run for a while. */
export const measureSteady = Effect.fnUntraced(function* (request: LoadRequest) {
  yield* once(request)
  const samples = Array.prepend(yield* Effect.replicateEffect(once(request), steady.rounds - 1), yield* once(request))
  return {
    p50: spreadOf(Array.map(samples, ({ p50 }) => p50)),
    p99: spreadOf(Array.map(samples, ({ p99 }) => p99))
  }
})

export type Steady = Effect.Success<ReturnType<typeof measureSteady>>
