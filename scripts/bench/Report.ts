import type { AuthCost } from "./Auth.ts"
import type { Breakdown } from "./Profile.ts"
import type { Measured, Spread } from "./Rounds.ts"
import type { StartUp } from "./StartUp.ts"
import type { Memory } from "./UnderLoad.ts"

export const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const megabytes = (bytes: number) => `${whole.format(bytes / 2 ** 20)} MiB`
const seconds = (value: number) => `${value.toFixed(2)} s`
export const milliseconds = (value: number) => `${value.toFixed(1)} ms`
export const microseconds = (value: number) => `${whole.format(value)} µs`
const percent = (share: number) => `${(share * 100).toFixed(1)} %`
const ratio = (spread: Spread | undefined) => (spread === undefined ? "" : spread.median.toFixed(3))

export const between = ({ least, most }: Spread, format: (value: number) => string) =>
  `${format(least)} to ${format(most)}`

export type Lines = ReadonlyArray<string>

/** Rows of a name and as many values as there are headings; every column is as wide as its widest text. */
export const table = (
  title: string,
  headings: Lines,
  rows: ReadonlyArray<readonly [name: string, ...values: Lines]>
): Lines => {
  const all = [[title, ...headings], ...rows.map(([name, ...values]) => [`  ${name}`, ...values])]
  const widths = [title, ...headings].map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const [first = 0, ...others] = widths
  return all.map(([name = "", ...values]) =>
    [name.padEnd(first), ...others.map((width, column) => (values[column] ?? "").padStart(width))].join("   ").trimEnd()
  )
}

/** The ratios are medians of those of each round; their spread is that to the bare SDK where there is one. */
export const throughput = (measured: ReadonlyArray<Measured>): Lines =>
  table(
    "requests per server-CPU-second",
    ["median", "of plain", "of bare SDK", "least to most", "p50", "p99", "bytes"],
    measured.map(({ bodyBytes, name, ofPlain, ofReference, p50, p99, perCpuSecond }) => [
      name,
      whole.format(perCpuSecond.median),
      ratio(ofPlain),
      ratio(ofReference),
      between(ofReference ?? ofPlain, (value) => value.toFixed(2)),
      milliseconds(p50),
      milliseconds(p99),
      whole.format(bodyBytes)
    ])
  )

export const memory = (memories: ReadonlyArray<Memory>): Lines =>
  table(
    "resident memory",
    ["ready", "before the load", "after the load"],
    memories.map(({ afterLoad, beforeLoad, name, ready }) => [
      name,
      megabytes(ready),
      megabytes(beforeLoad),
      megabytes(afterLoad)
    ])
  )

/** What authentication, permission and limiter may cost a request together, in microseconds. */
const authTarget = 100

/** The last two subjects differ in the audit alone. */
const auditShare = (costs: ReadonlyArray<AuthCost>) =>
  (costs.at(-1)?.beyondOpen.median ?? 0) - (costs.at(-2)?.beyondOpen.median ?? 0)

export const auth = (costs: ReadonlyArray<AuthCost>): Lines => [
  ...table(
    "server CPU of a request to a route that does nothing",
    ["median", "beyond open", "middle half"],
    costs.map(({ beyondOpen, micros, name }) => [
      name,
      microseconds(micros.median),
      microseconds(beyondOpen.median),
      between(beyondOpen, (value) => whole.format(value))
    ])
  ),
  `  with an API key or a JWT, permission and limiter, the target is at most ${microseconds(authTarget)} beyond open`,
  `  the audit's share is ${microseconds(auditShare(costs))}, most of it behind the answer`
]

/** Shares that are too small to be shown. */
const unseen = 0.005

/** Where a request's processor time goes, a column for each subject, and the functions that take most of each. */
export const breakdown = (breakdowns: ReadonlyArray<Breakdown>): Lines => {
  const names = [...new Set(breakdowns.flatMap(({ groups }) => groups.map(({ name }) => name)))]
  const shareOf = ({ groups }: Breakdown, name: string) => groups.find((group) => group.name === name)?.share ?? 0
  const most = (name: string) => Math.max(...breakdowns.map((each) => shareOf(each, name)))
  const shown = names.filter((name) => most(name) >= unseen).toSorted((a, b) => most(b) - most(a))
  return [
    ...table(
      "processor time of a request, sampled",
      breakdowns.map(({ name }) => name),
      [
        ["all of it", ...breakdowns.map(({ microsPerRequest }) => microseconds(microsPerRequest))],
        ...shown.map((name): [string, ...Array<string>] => [
          name,
          ...breakdowns.map((each) => {
            const share = shareOf(each, name)
            return `${microseconds(share * each.microsPerRequest)} ${percent(share).padStart(6)}`
          })
        ])
      ]
    ),
    ...breakdowns.flatMap(({ functions, name }) => [
      "",
      ...table(
        `functions, ${name}`,
        ["self"],
        functions.map((each) => [each.name, percent(each.share)])
      )
    ])
  ]
}

export const startUp = ({ againSeconds, firstSeconds }: StartUp): Lines =>
  table(
    "from the start of the process to its ready line",
    ["median", "least to most"],
    [
      ["on an empty home folder", seconds(firstSeconds), ""],
      ["again", seconds(againSeconds.median), between(againSeconds, seconds)]
    ]
  )
