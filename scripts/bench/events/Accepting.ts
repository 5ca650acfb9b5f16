import { Array, Duration, Effect, Option, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { concurrency } from "../Load.ts"
import { measure, rounds, type Spread, spreadOf, type Subject, warmUp } from "../Rounds.ts"
import { usage } from "../Server.ts"
import { BareOrder, Written } from "./BareRows.ts"
import type { Instance } from "./Instance.ts"
import type { LoadRequest } from "../Wire.ts"
import { makePgbench } from "./Pgbench.ts"

const decodeWritten = Schema.decodeEffect(Schema.fromJsonString(Written))
const encodeOrder = Schema.encodeSync(Schema.fromJsonString(BareOrder))

/** One round's figures: accepted by the API, and written by who does nothing else, at the same concurrency. */
interface Sample {
  readonly perCpuSecond: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly barePerSecond: number
  readonly barePerCpuSecond: number
  /** Milliseconds of the database's processor for each. */
  readonly inDatabase: number
  readonly bareInDatabase: number
  readonly pgbenchPerSecond: number | undefined
  /** Milliseconds of one at a time: the server's processor and the statements' time, one after the other. */
  readonly alone: number
  readonly bareAlone: number
}

export interface Accepting {
  readonly payloadBytes: number
  readonly perCpuSecond: Spread
  readonly perSecond: Spread
  readonly p50: number
  readonly p99: number
  readonly barePerSecond: Spread
  readonly pgbenchPerSecond: Spread | undefined
  readonly millis: {
    readonly cpu: number
    readonly bareCpu: number
    readonly inDatabase: number
    readonly bareInDatabase: number
    readonly alone: number
    readonly bareAlone: number
  }
  /** How many times as much accepting costs as the bare transaction, by each measure; ratios are those of one round. */
  readonly times: {
    readonly cpu: Spread
    readonly wholeCpu: Spread | undefined
    readonly rate: Spread
    readonly alone: Spread
  }
}

/** One at a time, once. */
const bareOrderOf = ({ queue, rows }: Instance): BareOrder => ({
  ...rows,
  queue: queue === "postgres" ? "postgres" : "sqs",
  atOnce: 1,
  milliseconds: 0
})

/** What the bare client answers once it has written the rows of one delivery. */
export const bareDelivery = (instance: Instance): LoadRequest => ({
  url: new URL("/one", instance.bare.url),
  headers: { "content-type": "application/json" },
  body: encodeOrder(bareOrderOf(instance)),
  expected: "written"
})

/** Milliseconds of processor of one, the database's among them. */
const wholeOf = ({ inDatabase, perCpuSecond }: Sample) => 1000 / perCpuSecond + inDatabase
const bareOf = ({ bareInDatabase, barePerCpuSecond }: Sample) => 1000 / barePerCpuSecond + bareInDatabase

/** Alternates between the API under as many deliveries as it takes, and the bare transaction. */
export const measureAccepting = Effect.fnUntraced(function* (instance: Instance, duration: Duration.Duration) {
  const { api, bare, delivery, rows } = instance
  const subject: Subject = { name: "deliveries", server: api, requests: [delivery] }
  const half = Duration.divideUnsafe(duration, 2)

  const write = Effect.fnUntraced(function* (atOnce: number, span: Duration.Duration) {
    const order = { ...bareOrderOf(instance), atOnce, milliseconds: Duration.toMillis(span) }
    const before = yield* usage(bare)
    const request = HttpClientRequest.post(`${bare.url}/run`).pipe(HttpClientRequest.bodyText(encodeOrder(order)))
    const response = yield* HttpClient.execute(request)
    const written = yield* decodeWritten(yield* response.text)
    const after = yield* usage(bare)
    return { ...written, perCpuSecond: written.written / (after.cpuSeconds - before.cpuSeconds) }
  })

  /** With the milliseconds of processor that the database took for each; not a number where they cannot be known. */
  const inDatabase = <A, E, R>(work: Effect.Effect<A, E, R>, count: (done: A) => number) =>
    Effect.gen(function* () {
      const before = yield* instance.backendSeconds
      const done = yield* work
      const after = yield* instance.backendSeconds
      const [from, to] = [before, after].map((seconds) => Option.getOrElse(seconds, () => Number.NaN))
      return { ...done, inDatabase: (1000 * ((to ?? 0) - (from ?? 0))) / count(done) }
    })

  const pgbench = yield* makePgbench(instance)
  yield* warmUp(subject, duration)
  yield* write(concurrency, Duration.times(duration, 3))

  const round = Effect.gen(function* () {
    const accepted = yield* inDatabase(measure(subject, duration), ({ answered }) => answered)
    const written = yield* inDatabase(write(concurrency, duration), (own) => own.written)
    const benched = yield* Effect.transposeOption(pgbench)
    const alone = yield* measure(subject, half, 1)
    const bareAlone = yield* write(1, half)
    return {
      perCpuSecond: accepted.perCpuSecond,
      perSecond: accepted.answered / Duration.toSeconds(duration),
      p50: accepted.p50,
      p99: accepted.p99,
      barePerSecond: written.perSecond,
      barePerCpuSecond: written.perCpuSecond,
      inDatabase: accepted.inDatabase,
      bareInDatabase: written.inDatabase,
      pgbenchPerSecond: Option.getOrUndefined(benched),
      alone: alone.p50,
      bareAlone: bareAlone.p50
    } satisfies Sample
  })
  const samples = Array.prepend(yield* Effect.replicateEffect(round, rounds - 1), yield* round)
  const spread = (of: (sample: Sample) => number) => spreadOf(Array.map(samples, of))
  const isKnown = samples.every(({ bareInDatabase, inDatabase: own }) => own > 0 && bareInDatabase > 0)
  const benched = samples.flatMap(({ pgbenchPerSecond }) => pgbenchPerSecond ?? [])
  return {
    payloadBytes: Buffer.byteLength(rows.payload),
    perCpuSecond: spread((sample) => sample.perCpuSecond),
    perSecond: spread((sample) => sample.perSecond),
    p50: spread((sample) => sample.p50).median,
    p99: spread((sample) => sample.p99).median,
    barePerSecond: spread((sample) => sample.barePerSecond),
    pgbenchPerSecond: Array.isArrayNonEmpty(benched) ? spreadOf(benched) : undefined,
    millis: {
      cpu: spread((sample) => 1000 / sample.perCpuSecond).median,
      bareCpu: spread((sample) => 1000 / sample.barePerCpuSecond).median,
      inDatabase: spread((sample) => sample.inDatabase).median,
      bareInDatabase: spread((sample) => sample.bareInDatabase).median,
      alone: spread((sample) => sample.alone).median,
      bareAlone: spread((sample) => sample.bareAlone).median
    },
    times: {
      cpu: spread((sample) => sample.barePerCpuSecond / sample.perCpuSecond),
      wholeCpu: isKnown ? spread((sample) => wholeOf(sample) / bareOf(sample)) : undefined,
      rate: spread((sample) => sample.barePerSecond / sample.perSecond),
      alone: spread((sample) => sample.alone / sample.bareAlone)
    }
  } satisfies Accepting
})
