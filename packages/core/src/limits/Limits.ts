import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { rateLimitWindow } from "@devops-mcp/resilience/Policies"
import { Context, Duration, Effect, Layer, type Redacted } from "effect"
import { Audit } from "../audit/Audit.ts"
import { type Bucket, Limiter, type Taken } from "../ports/Limiter.ts"
import { makeLockout } from "./Lockout.ts"
import { type Allowance, type LimitName, type RateLimited, refuse } from "./RateLimited.ts"

/** Requests per minute, and those of one tenant at once in one replica. */
export interface LimitSettings {
  readonly perCredential: number
  readonly perTenant: number
  readonly perAddress: number
  readonly tenantConcurrency: number
}

/** How long a caller waits whose tenant has too many requests running. */
const busyRetryAfter = Duration.toMillis("1 second")

/**
 * How much callers may ask: by their address before anybody knows who they are, then by their credential and their
 * tenant. Every program that serves requests asks here, in this order, and who is refused is on record.
 */
export class Limits extends Context.Service<
  Limits,
  {
    /** One request from an address. */
    readonly address: (address: string) => Effect.Effect<void, RateLimited>
    /** Authenticates unless there were too many wrong credentials. */
    readonly login: <A, E>(
      address: string,
      credential: Redacted.Redacted,
      authenticate: Effect.Effect<A, E>
    ) => Effect.Effect<A, E | RateLimited>
    /** One request of a caller; what is left to whichever of the credential and the tenant has less. */
    readonly caller: (principal: Principal) => Effect.Effect<Allowance, RateLimited>
    /** Runs what a caller asks for unless too much of their tenant runs already. */
    readonly running: (
      principal: Principal
    ) => <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E | RateLimited, R>
  }
>()("@devops-mcp/core/limits/Limits") {
  static readonly layer = ({ perAddress, perCredential, perTenant, tenantConcurrency }: LimitSettings) =>
    Layer.effect(
      Limits,
      Effect.gen(function* () {
        const limiter = yield* Limiter
        const audit = yield* Audit
        const login = yield* makeLockout
        const busy = new Map<TenantId, number>()

        const bucket = (key: string, limit: number, precision: Bucket["precision"]): Bucket => ({
          key,
          limit,
          window: rateLimitWindow,
          precision
        })

        const over = (name: LimitName, taken: Taken, principal?: Principal) => {
          const { limit, remaining, resetAfter, retryAfter } = taken
          return Effect.andThen(
            audit.refused({ reason: "rate_limit", limit: name, ...(principal === undefined ? {} : { principal }) }),
            refuse({ limit: name, retryAfter, allowance: { limit, remaining, resetAfter } })
          )
        }

        const caller = (principal: Principal) => {
          const { actor, credential, tenantId } = principal
          return Effect.flatMap(
            limiter.take(bucket(`${credential}:${tenantId}:${actor}`, perCredential, "exact")),
            (own) => {
              if (!own.allowed) return over("credential", own, principal)
              return Effect.flatMap(limiter.take(bucket(`tenant:${tenantId}`, perTenant, "batched")), (common) => {
                if (!common.allowed) return over("tenant", common, principal)
                return Effect.succeed<Allowance>(common.remaining < own.remaining ? common : own)
              })
            }
          )
        }

        const busyWith = (principal: Principal) =>
          Effect.andThen(
            audit.refused({ reason: "rate_limit", limit: "concurrency", principal }),
            refuse({ limit: "concurrency", retryAfter: busyRetryAfter })
          )

        const leave = (tenantId: TenantId) =>
          Effect.sync(() => {
            const left = (busy.get(tenantId) ?? 1) - 1
            if (left === 0) busy.delete(tenantId)
            else busy.set(tenantId, left)
          })

        return Limits.of({
          address: (address) =>
            Effect.flatMap(limiter.take(bucket(`address:${address}`, perAddress, "batched")), (taken) =>
              taken.allowed ? Effect.void : over("address", taken)
            ),
          login,
          caller,
          running:
            (principal) =>
            <A, E, R>(request: Effect.Effect<A, E, R>) =>
              Effect.suspend((): Effect.Effect<A, E | RateLimited, R> => {
                const { tenantId } = principal
                const running = busy.get(tenantId) ?? 0
                if (running >= tenantConcurrency) return busyWith(principal)
                busy.set(tenantId, running + 1)
                return Effect.ensuring(request, leave(tenantId))
              })
        })
      })
    )
}
