import { Schema } from "effect"

/** Jobs of a name that no worker takes. */
export const jobName = "bench"

/** What the process that writes bare transactions is asked for. */
export const BareOrder = Schema.Struct({
  tenantId: Schema.String,
  webhookId: Schema.String,
  queue: Schema.Literals(["postgres", "sqs"]),
  payload: Schema.String,
  atOnce: Schema.Int,
  milliseconds: Schema.Finite
})
export type BareOrder = typeof BareOrder.Type

/** What it has written; `p50` in milliseconds. */
export const Written = Schema.Struct({ perSecond: Schema.Finite, written: Schema.Int, p50: Schema.Finite })
export type Written = typeof Written.Type

/** The value that this share of all does not exceed. */
export const percentileOf = (values: ReadonlyArray<number>, share: number) => {
  const sorted = Float64Array.from(values).toSorted()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
