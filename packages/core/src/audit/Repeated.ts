import { ClientAddress } from "@devops-mcp/observability/RequestContext"
import { repeatedActs, repeatedActsWindow } from "@devops-mcp/resilience/Policies"
import { Clock, Duration, Effect } from "effect"
import type { Act } from "./Audit.ts"

/** Series at once, so that no number of callers fills the memory; the oldest one ends for one more. */
const mostSeries = 10_000

/** Acts of one caller that are all alike, within one window. */
interface Series {
  readonly since: number
  readonly address: string | undefined
  /** Acts after the first one, which has its own row; and the last of them. */
  more: number
  last: Act
  lastAt: number
}

const keyOf = ({ action, outcome, principal: { actor, credential, tenantId }, target = "" }: Act) =>
  `${tenantId} ${credential} ${action} ${outcome} ${target} ${actor}`

/**
 * Puts acts on record that callers repeat as fast as they can, such as lists and being refused: of those that are alike
 * the first has a row at once, and all others of its window have one together, which tells their number.
 */
export const makeRepeated = Effect.fnUntraced(function* (record: (act: Act) => Effect.Effect<void>) {
  const window = Duration.toMillis(repeatedActsWindow)
  const all = new Map<string, Series>()

  const end = ({ address, last, lastAt, more, since }: Series) => {
    if (more === 0) return Effect.void
    const count = `${more} more`
    const target = last.target === undefined ? count : `${last.target}, ${count}`
    return record({ ...last, target, durationMs: lastAt - since }).pipe(Effect.provideService(ClientAddress, address))
  }

  const endThose = (isOver: (series: Series) => boolean) =>
    Effect.suspend(() => {
      const ended = [...all].filter(([, series]) => isOver(series))
      for (const [key] of ended) all.delete(key)
      return Effect.forEach(ended, ([, series]) => end(series), { discard: true })
    })

  const sweep = Effect.flatMap(Clock.currentTimeMillis, (now) => endThose(({ since }) => now - since >= window))
  yield* Effect.forkScoped(Effect.schedule(sweep, repeatedActs))
  yield* Effect.addFinalizer(() => endThose(() => true))

  return Effect.fnUntraced(function* (act: Act) {
    const now = yield* Clock.currentTimeMillis
    const key = keyOf(act)
    const series = all.get(key)
    if (series !== undefined && now - series.since < window) {
      series.more++
      series.last = act
      series.lastAt = now
      return
    }
    if (series !== undefined) all.delete(key)
    const [oldest] = all.size >= mostSeries ? all : []
    if (oldest !== undefined) all.delete(oldest[0])
    all.set(key, { since: now, address: yield* ClientAddress, more: 0, last: act, lastAt: now })
    yield* record(act)
    if (series !== undefined) yield* end(series)
    if (oldest !== undefined) yield* end(oldest[1])
  })
})
