import { Schema } from "effect"
import { Timestamp } from "./Fields.ts"
import { DeadLetterId } from "./Ids.ts"

/** Longest text of an error that is kept. */
export const longestError = 4000

/** Why somebody has decided that a job will not be done. */
export const DiscardReason = Schema.String.check(
  Schema.isBetweenLength(1, 500),
  Schema.isPattern(/\S/, { message: "Expected a reason" })
)

/** A job that was given up, with its cause, until somebody puts it back or discards it. */
export const DeadLetter = Schema.Struct({
  id: DeadLetterId,
  /** The queue that it was taken from. */
  queue: Schema.String,
  /** The id that the job was first offered under. */
  jobId: Schema.String,
  /** What the worker was asked to do, such as `IngestDelivery`. */
  type: Schema.String,
  /** What it was kept in order with, where it was. */
  group: Schema.optionalKey(Schema.String),
  /** Why the last attempt failed. */
  error: Schema.String,
  /** How often it was tried. */
  attempts: Schema.Int,
  /** How often it was put back before. */
  redrives: Schema.Int,
  /** The job itself; a text where it could not be read. */
  payload: Schema.Json,
  failedAt: Timestamp,
  /** Set when somebody has decided that it will not be done. */
  discardedAt: Schema.optionalKey(Timestamp),
  discardReason: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "DeadLetter" })
export type DeadLetter = typeof DeadLetter.Type
