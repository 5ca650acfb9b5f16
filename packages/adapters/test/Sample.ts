import type { Schema } from "effect"

/** A payload as the sender's documentation shows it, with what a delivery of it is called. */
export interface Sample {
  readonly eventType: string
  readonly of: string
  readonly payload: Schema.JsonObject
}
