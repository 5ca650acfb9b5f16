import { between, type Lines, milliseconds, table, whole } from "../Report.ts"
import type { Spread } from "../Rounds.ts"
import type { EventFigures } from "./Events.ts"
import { steady as steadyLoad } from "./Steady.ts"

const times = (spread: Spread) => `${spread.median.toFixed(2)} (${between(spread, (value) => value.toFixed(2))})`
const rate = (spread: Spread) => `${whole.format(spread.median)} (${between(spread, (value) => whole.format(value))})`
const perSecond = (value: number) => `${whole.format(value)}/s`
const fine = (value: number) => `${value.toFixed(2)} ms`

const latency = (value: number) => (Number.isFinite(value) ? milliseconds(value) : "not kept up")

const accepting = (figures: ReadonlyArray<EventFigures>): Lines => {
  const rows = figures.flatMap(({ accepting, queue }) => (accepting === undefined ? [] : [{ accepting, queue }]))
  const [first] = rows
  return [
    ...table(
      `deliveries accepted, a push of ${whole.format(first?.accepting.payloadBytes ?? 0)} bytes`,
      ["per server-CPU-second", "per second", "p50", "p99", "bare per second", "pgbench"],
      rows.map(({ accepting, queue }) => [
        queue,
        rate(accepting.perCpuSecond),
        rate(accepting.perSecond),
        milliseconds(accepting.p50),
        milliseconds(accepting.p99),
        rate(accepting.barePerSecond),
        accepting.pgbenchPerSecond === undefined ? "none here" : rate(accepting.pgbenchPerSecond)
      ])
    ),
    "  bare: the same three rows in one transaction by our client library, pgbench: the same by itself; as many at once",
    "",
    ...table(
      "accepting costs so many bare transactions",
      ["processor", "one at a time", "rate, many at once", "processor but the database's"],
      rows.map(({ accepting: { times: own }, queue }) => [
        queue,
        own.wholeCpu === undefined ? "unknown" : times(own.wholeCpu),
        times(own.alone),
        times(own.rate),
        times(own.cpu)
      ])
    ),
    ...rows.map(
      ({ accepting: { millis }, queue }) =>
        `  ${queue}: processor ${fine(millis.cpu)} of the API to ${fine(millis.bareCpu)} of the bare client, ` +
        `and of the database ${fine(millis.inDatabase)} to ${fine(millis.bareInDatabase)}; ` +
        `one at a time ${fine(millis.alone)} to ${fine(millis.bareAlone)}`
    ),
    "  the target is at most 2.5; processor: of client and database; one at a time, a delivery has its transaction for itself"
  ]
}

const steady = (figures: ReadonlyArray<EventFigures>): Lines =>
  table(
    `${steadyLoad.perSecond} deliveries a second on schedule`,
    ["p50", "p99", "of rounds"],
    figures.flatMap(({ steady }) =>
      [
        { name: "bare transactions, asked for over HTTP", own: steady?.bare },
        { name: "the API alone", own: steady?.alone },
        { name: "and a worker that processes them", own: steady?.withWorker }
      ].flatMap(({ name, own }): ReadonlyArray<[string, ...Array<string>]> =>
        own === undefined ? [] : [[name, latency(own.p50.median), latency(own.p99.median), between(own.p99, latency)]]
      )
    )
  )

const processing = (figures: ReadonlyArray<EventFigures>): Lines =>
  table(
    "events processed by one worker",
    ["per second", "processor of each", "events"],
    figures.flatMap(({ queue, withVectors, withoutVectors }) =>
      [
        { name: `${queue}, vectors for nothing`, own: withoutVectors },
        { name: `${queue}, vectors of the local model`, own: withVectors }
      ].flatMap(({ name, own }): ReadonlyArray<[string, ...Array<string>]> =>
        own === undefined ? [] : [[name, perSecond(own.perSecond), fine(own.cpuMillis), whole.format(own.events)]]
      )
    )
  )

const emulators = (figures: ReadonlyArray<EventFigures>): Lines =>
  table(
    "messages a second of the emulator of SQS, a bare loop of the SDK",
    ["sent", "received", "deleted", "all three", "our worker of that"],
    figures.flatMap(({ emulator, queue, withoutVectors }): ReadonlyArray<[string, ...Array<string>]> =>
      emulator === undefined
        ? []
        : [
            [
              queue,
              perSecond(emulator.sent),
              perSecond(emulator.received),
              perSecond(emulator.removed),
              perSecond(emulator.all),
              (withoutVectors.perSecond / emulator.all).toFixed(2)
            ]
          ]
    )
  )

export const events = (figures: ReadonlyArray<EventFigures>): Lines => [
  ...(figures.some((own) => own.accepting !== undefined) ? [...accepting(figures), ""] : []),
  ...(figures.some((own) => own.steady !== undefined) ? [...steady(figures), ""] : []),
  ...processing(figures),
  ...(figures.some(({ emulator }) => emulator !== undefined) ? ["", ...emulators(figures)] : [])
]
