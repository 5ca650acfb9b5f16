import { Health } from "@devops-mcp/observability/Health"
import { workerRestart, workerRestartWatch } from "@devops-mcp/resilience/JobPolicies"
import { Cause, Clock, Duration, Effect, Schema } from "effect"

/** Something ended that goes on for as long as the worker runs. */
class PartEnded extends Schema.TaggedError<PartEnded>()("@devops-mcp/worker/Supervision/PartEnded", {
  part: Schema.String
}) {
  override get message() {
    return `A part of the worker ended and is started again: ${this.part}`
  }
}

/**
 * Keeps the parts of a worker running. One that ends, by a defect or in any other way than the worker's stop, is logged
 * as an error and started again, and the program's health says so until it has run for a while.
 */
export const makeSupervision = Effect.gen(function* () {
  const health = yield* Health
  /** Parts that have ended: when they were started again, undefined as long as they were not. */
  const ended = new Map<string, number | undefined>()

  yield* health.register({
    name: "worker",
    required: false,
    check: Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const isNew = (startedAt: number | undefined) =>
        startedAt === undefined || now - startedAt < Duration.toMillis(workerRestartWatch)
      const parts = [...ended].flatMap(([part, startedAt]) => (isNew(startedAt) ? [part] : []))
      return parts.length === 0
        ? Effect.void
        : Effect.fail({ message: `Ended by an error of ours: ${parts.join(", ")}` })
    })
  })

  return <E, R>(part: string, effect: Effect.Effect<unknown, E, R>): Effect.Effect<void, never, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (ended.has(part)) ended.set(part, now)
      return effect
    }).pipe(
      // Where the worker stops, nothing after this is run.
      Effect.matchCause({ onFailure: (cause): Cause.Cause<E> => cause, onSuccess: () => Cause.empty }),
      Effect.flatMap((cause) => {
        ended.set(part, undefined)
        const error = new PartEnded({ part })
        return Effect.andThen(Effect.logError(error.message, cause), Effect.fail(error))
      }),
      Effect.retry(workerRestart),
      // The schedule has no end.
      Effect.orDie
    )
})
