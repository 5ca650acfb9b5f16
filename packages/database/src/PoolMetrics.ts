import { dbPoolConnections, dbQueryDuration } from "@devops-mcp/observability/Metrics"
import { poolSampling } from "@devops-mcp/resilience/Policies"
import { Duration, Effect, Metric } from "effect"

type PoolState = "used" | "waiting" | "limit"

export const poolConnections = (state: PoolState, count: number) =>
  Metric.update(Metric.withAttributes(dbPoolConnections, { state }), count)

/** Counts the connections that transactions hold and wait for; a transaction has one from its beginning to its end. */
export const makePoolMetrics = Effect.gen(function* () {
  let [running, holding] = [0, 0]
  const publish = Effect.suspend(() =>
    Effect.andThen(poolConnections("used", holding), poolConnections("waiting", running - holding))
  )
  yield* publish
  yield* Effect.forkScoped(Effect.schedule(publish, poolSampling))

  // Operations are names in our code, so there are as many as that has.
  const durations = new Map<string, typeof dbQueryDuration>()
  const durationOf = (operation: string) => {
    const known = durations.get(operation)
    if (known !== undefined) return known
    const made = Metric.withAttributes(dbQueryDuration, { operation })
    durations.set(operation, made)
    return made
  }

  return {
    /** Around a transaction, with the wait for its connection. */
    running: <A, E, R>(transaction: Effect.Effect<A, E, R>) =>
      Effect.suspend(() => {
        running++
        return Effect.ensuring(
          transaction,
          Effect.sync(() => running--)
        )
      }),
    /** Around what is done in it. */
    holding: <A, E, R>(work: Effect.Effect<A, E, R>) =>
      Effect.suspend(() => {
        holding++
        return Effect.ensuring(
          work,
          Effect.sync(() => holding--)
        )
      }),
    timed: <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>) =>
      Effect.trackDuration(effect, durationOf(operation), Duration.toSeconds)
  }
})
