import { Array, Duration, Effect, Order } from "effect"
import { load, type LoadRequest } from "./Load.ts"
import { type Server, usage } from "./Server.ts"
import { plain } from "./Targets.ts"

/** Rounds that count. Each has every subject once, so that whatever else the machine does meets them alike. */
export const rounds = 5

/** Our server has much code to compile before it is as fast as it gets; warming up takes this many rounds' time. */
const warmUpRounds = 3

/** Work that a server puts behind its answers, such as audit rows, is part of what a request costs. */
const settling = Duration.millis(100)

/** A request to our server. */
export interface Subject {
  readonly name: string
  readonly server: Server
  readonly request: LoadRequest
}

/** The middle value of several, and how far apart they are. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

export const spreadOf = (values: Array.NonEmptyReadonlyArray<number>): Spread => {
  const sorted = Array.sort(values, Order.Number)
  const least = sorted[0]
  const [low = least, high = low] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return { median: (low + high) / 2, least, most: Array.lastNonEmpty(sorted) }
}

/** Requests in a second of the server's processor time; `ratio` is to the plain server's in the same round. */
export interface Measured {
  readonly name: string
  readonly perCpuSecond: Spread
  readonly ratio: Spread
}

const measure = Effect.fnUntraced(function* ({ request, server }: Subject, duration: Duration.Duration) {
  const before = yield* usage(server)
  const { answered, bodyBytes } = yield* load(request, duration)
  yield* Effect.sleep(settling)
  const after = yield* usage(server)
  return { bodyBytes, perCpuSecond: answered / (after.cpuSeconds - before.cpuSeconds) }
})

/** Warms everything up, then measures round after round. The plain server comes first in what is returned. */
export const compare = Effect.fnUntraced(function* (
  baseline: Server,
  subjects: Array.NonEmptyReadonlyArray<Subject>,
  duration: Duration.Duration
) {
  const [first] = subjects
  const [{ bodyBytes }] = yield* Effect.forEach(subjects, (subject) =>
    measure(subject, Duration.times(duration, warmUpRounds))
  )
  const reference: Subject = {
    name: `plain node:http, ${bodyBytes} bytes`,
    server: baseline,
    request: plain(baseline, first.request, bodyBytes)
  }
  yield* measure(reference, duration)

  const round = Effect.gen(function* () {
    const plainRate = (yield* measure(reference, duration)).perCpuSecond
    const others = yield* Effect.forEach(subjects, (subject) =>
      Effect.map(measure(subject, duration), ({ perCpuSecond }) => ({ name: subject.name, perCpuSecond }))
    )
    return [{ name: reference.name, perCpuSecond: plainRate }, ...others].map((sample) => ({
      ...sample,
      ratio: sample.perCpuSecond / plainRate
    }))
  })
  const samples = yield* Effect.forEach(Array.range(1, rounds), () => round)
  return Object.entries(Array.groupBy(samples.flat(), ({ name }) => name)).map(([name, own]): Measured => ({
    name,
    perCpuSecond: spreadOf(Array.map(own, ({ perCpuSecond }) => perCpuSecond)),
    ratio: spreadOf(Array.map(own, ({ ratio }) => ratio))
  }))
})
