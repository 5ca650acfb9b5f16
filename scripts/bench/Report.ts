import type { Memory } from "./UnderLoad.ts"
import type { Measured, Spread } from "./Rounds.ts"
import type { StartUp } from "./StartUp.ts"

const width = { name: 42, value: 12, spread: 20 }

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const megabytes = (bytes: number) => `${whole.format(bytes / 2 ** 20)} MiB`
const seconds = (value: number) => `${value.toFixed(2)} s`

const between = ({ least, most }: Spread, format: (value: number) => string) => `${format(least)} to ${format(most)}`

const row = (name: string, value: string, ...rest: ReadonlyArray<string>) =>
  [name.padEnd(width.name), value.padStart(width.value), ...rest.map((text) => text.padStart(width.spread))].join("")

/** A part of the report: its heading, and a row for each figure. */
export const throughput = (measured: ReadonlyArray<Measured>): ReadonlyArray<string> => [
  row("requests per server-CPU-second", "median", "of plain node:http", "least to most"),
  ...measured.map(({ name, perCpuSecond, ratio }) =>
    row(
      `  ${name}`,
      whole.format(perCpuSecond.median),
      ratio.median.toFixed(3),
      between(ratio, (value) => value.toFixed(3))
    )
  )
]

export const memory = ({ afterStart, beforeLoad, afterLoad }: Memory): ReadonlyArray<string> => [
  "resident memory of the server",
  row("  ready", megabytes(afterStart)),
  row("  after indexing its first context", megabytes(beforeLoad)),
  row("  after the load", megabytes(afterLoad))
]

export const startUp = ({ againSeconds, firstSeconds }: StartUp): ReadonlyArray<string> => [
  "from the start of the process to its ready line",
  row("  on an empty home folder", seconds(firstSeconds)),
  row("  again", seconds(againSeconds.median), "", between(againSeconds, seconds))
]
