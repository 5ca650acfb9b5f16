import { rateLimitRejections } from "@devops-mcp/observability/Metrics"
import { Effect, Metric, Schema } from "effect"

/** Which limit a request is over. */
export const LimitName = Schema.Literals(["address", "credential", "tenant", "concurrency", "login"])
export type LimitName = typeof LimitName.Type

/** How much of a limit is used up; times are in milliseconds. */
export const Allowance = Schema.Struct({ limit: Schema.Finite, remaining: Schema.Finite, resetAfter: Schema.Finite })
export type Allowance = typeof Allowance.Type

const details: Readonly<Record<LimitName, string>> = {
  address: "There are too many requests from your address",
  credential: "There are too many requests with this credential",
  tenant: "There are too many requests of your tenant",
  concurrency: "Your tenant has too many requests running at once",
  login: "There were too many wrong credentials"
}

/** The caller asks too much, and may ask again after a while. */
export class RateLimited extends Schema.TaggedError<RateLimited>()("@devops-mcp/core/limits/RateLimited", {
  limit: LimitName,
  /** In milliseconds. */
  retryAfter: Schema.Finite,
  allowance: Schema.optionalKey(Allowance)
}) {
  override get message() {
    return `${details[this.limit]}; try again in ${this.retryAfterSeconds} s`
  }

  /** As `Retry-After` says it. */
  get retryAfterSeconds() {
    return Math.max(1, Math.ceil(this.retryAfter / 1000))
  }
}

/** Refuses, and counts it. */
export const refuse = (fields: {
  readonly limit: LimitName
  readonly retryAfter: number
  readonly allowance?: Allowance
}) =>
  Effect.andThen(
    Metric.update(Metric.withAttributes(rateLimitRejections, { limit: fields.limit }), 1),
    Effect.fail(new RateLimited(fields))
  )
