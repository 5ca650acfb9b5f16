import { Array, Duration, Effect, Order } from "effect"
import { load, type LoadRequests } from "./Load.ts"
import { type Server, usage } from "./Server.ts"
import { plain } from "./Targets.ts"

/** Rounds that count. Each has every subject once, so that whatever else the machine does meets them alike. */
export const rounds = 5

/** Code is slow until it has run often. Warming up takes some rounds' time, and more of it on a busy machine. */
const warm = { leastRounds: 3, mostRounds: 12, requests: 3000 }

/** Work that a server puts behind its answers, such as audit rows, is part of what a request costs. */
const settling = Duration.millis(100)

/** What a server is asked for. */
export interface Subject {
  readonly name: string
  readonly server: Server
  readonly requests: LoadRequests
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

/** The middle value of many, and between what the middle half of them is: the rest is what others did to the machine. */
export const quartersOf = (values: Array.NonEmptyReadonlyArray<number>): Spread => {
  const sorted = Array.sort(values, Order.Number)
  const quarter = Math.floor(sorted.length / 4)
  const middle = sorted.slice(quarter, sorted.length - quarter)
  return spreadOf(Array.isReadonlyArrayNonEmpty(middle) ? middle : sorted)
}

/** The middle of the rounds; the ratios are to others' figures of the same round. */
export interface Measured {
  readonly name: string
  readonly bodyBytes: number
  /** Requests in a second of the server's processor time. */
  readonly perCpuSecond: Spread
  readonly ofPlain: Spread
  readonly ofReference: Spread | undefined
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

export const measure = Effect.fnUntraced(function* (
  { requests, server }: Subject,
  duration: Duration.Duration,
  atOnce?: number
) {
  const before = yield* usage(server)
  const loaded = yield* load(requests, duration, atOnce)
  yield* Effect.sleep(settling)
  const after = yield* usage(server)
  return { ...loaded, perCpuSecond: loaded.answered / (after.cpuSeconds - before.cpuSeconds) }
})

/** Has the server answer until it is as fast as it gets, and tells how long its answer is. */
export const warmUp = Effect.fnUntraced(function* ({ requests }: Subject, duration: Duration.Duration) {
  let answered = 0
  let length = 0
  for (let round = 0; round < warm.leastRounds || (round < warm.mostRounds && answered < warm.requests); round++) {
    const loaded = yield* load(requests, duration)
    answered += loaded.answered
    length = loaded.bodyBytes
  }
  return length
})

/**
 * Warms everything up, then measures round after round. The plain server comes first in what is returned; `reference` is
 * the subject with which the others are compared as well.
 */
export const compare = Effect.fnUntraced(function* (
  baseline: Server,
  subjects: Array.NonEmptyReadonlyArray<Subject>,
  duration: Duration.Duration,
  reference?: Subject
) {
  const [first] = subjects
  const [bodyBytes] = yield* Effect.forEach(subjects, (subject) => warmUp(subject, duration))
  const plainSubject: Subject = {
    name: "plain node:http",
    server: baseline,
    requests: [plain(baseline, first.requests[0], bodyBytes)]
  }
  yield* warmUp(plainSubject, duration)

  const all = Array.prepend(subjects, plainSubject)
  const round = Effect.map(
    Effect.forEach(all, (subject) => Effect.map(measure(subject, duration), (sample) => ({ subject, ...sample }))),
    (samples) => {
      const rateOf = (wanted: Subject) => samples.find(({ subject }) => subject === wanted)?.perCpuSecond ?? Number.NaN
      return Array.map(samples, ({ subject, ...sample }) => ({
        ...sample,
        name: subject.name,
        ofPlain: sample.perCpuSecond / rateOf(plainSubject),
        ofReference: reference && sample.perCpuSecond / rateOf(reference)
      }))
    }
  )
  const samples = yield* Effect.replicateEffect(round, rounds)
  return Object.entries(Array.groupBy(samples.flat(), ({ name }) => name)).map(([name, own]): Measured => {
    const ofReference = own.flatMap((sample) => sample.ofReference ?? [])
    return {
      name,
      bodyBytes: own[0].bodyBytes,
      perCpuSecond: spreadOf(Array.map(own, ({ perCpuSecond }) => perCpuSecond)),
      ofPlain: spreadOf(Array.map(own, ({ ofPlain }) => ofPlain)),
      ofReference: Array.isArrayNonEmpty(ofReference) ? spreadOf(ofReference) : undefined,
      p50: spreadOf(Array.map(own, ({ p50 }) => p50)).median,
      p99: spreadOf(Array.map(own, ({ p99 }) => p99)).median
    }
  })
})
