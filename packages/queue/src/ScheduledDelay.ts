import { Duration, Effect, Pull, Schedule } from "effect"

/**
 * The delay after the nth attempt. Attempts of a job are made by different processes, so the schedule is gone through
 * from its beginning; where it has ended, its last delay stays.
 */
export const scheduledDelay = Effect.fnUntraced(function* (
  schedule: Schedule.Schedule<unknown, number>,
  attempt: number
): Effect.fn.Return<Duration.Duration> {
  const step = yield* Schedule.toStep(schedule)
  let [now, delay] = [0, Duration.zero]
  for (let index = 1; index <= attempt; index++) {
    const next = yield* Pull.catchDone(step(now, index), () => Effect.undefined)
    if (next === undefined) break
    delay = next[1]
    now += Duration.toMillis(delay)
  }
  return delay
})
