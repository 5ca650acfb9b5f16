import { Context, type Duration, type Effect } from "effect"

/** A token bucket: `limit` tokens at once, and as many again spread evenly over each `window`. */
export interface Bucket {
  readonly key: string
  readonly limit: number
  readonly window: Duration.Duration
  /**
   * `exact` takes each token from where the replicas share them. `batched` may take some ahead and lose those that are
   * not used, never more than a hundredth of what is left: cheaper, where nobody is told how many are left.
   */
  readonly precision: "exact" | "batched"
}

/** What became of taking one token. Times are in milliseconds. */
export interface Taken {
  readonly allowed: boolean
  readonly limit: number
  readonly remaining: number
  /** Until the bucket is full again. */
  readonly resetAfter: number
  /** Until there is a token again; 0 when one was there. */
  readonly retryAfter: number
}

/** Events under a key that has not been forgotten, and for how many milliseconds it will not be. */
export interface Counted {
  readonly total: number
  readonly leftAfter: number
}

/**
 * Counts what callers use up, over all replicas when Redis is configured. When Redis does not answer each replica
 * counts for itself, so there are always limits and never an error.
 */
export class Limiter extends Context.Service<
  Limiter,
  {
    readonly take: (bucket: Bucket) => Effect.Effect<Taken>
    /** Adds an event that keeps the key for so much longer, and tells their number. */
    readonly add: (key: string, lifetime: Duration.Duration) => Effect.Effect<Counted>
    readonly count: (key: string) => Effect.Effect<Counted>
    /** Fails while replicas do not share their limits though they should. */
    readonly check: Effect.Effect<void, { readonly message: string }>
  }
>()("@devops-mcp/core/ports/Limiter") {}
