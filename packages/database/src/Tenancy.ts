import type { TenantId } from "@devops-mcp/domain/Ids"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { Cause, Context, Effect, Layer, Option, Predicate } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { makePoolMetrics } from "./PoolMetrics.ts"
import { applicationRole, systemRole, tenantSetting } from "./TenantIsolation.ts"

/** Whose transaction is running; `system` before a tenant is known. What is forked in it may live longer than it. */
interface Entered {
  readonly tenant: TenantId | "system"
  isOpen: boolean
}

const CurrentTenant = Context.Reference<Entered | undefined>("@devops-mcp/database/Tenancy/CurrentTenant", {
  defaultValue: () => undefined
})

const foreign = Effect.die(new Error("A transaction of one tenant must not reach into another's"))
const outlived = Effect.die(new Error("A transaction that has ended must not be used"))

/** The server is stopping, starting or out of connections: the client takes these for errors of the statement. */
const passing = /^(57P0[1-3]|53)/

const isRetryable = ({ reason }: SqlError.SqlError): boolean =>
  reason.isRetryable ||
  (Predicate.hasProperty(reason.cause, "code") &&
    Predicate.isString(reason.cause.code) &&
    passing.test(reason.cause.code))

/**
 * On a lost connection the rollback fails too, and the client makes a defect of that, alone or beside the failure itself.
 * Nobody who handles failures handles the two together, so the failure is what is told.
 */
const failureOfTransaction = <E>(cause: Cause.Cause<E>): Effect.Effect<never, E | SqlError.SqlError> => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return Effect.fail(failure.error)
  const ofClient = cause.reasons.find((reason) => Cause.isDieReason(reason) && SqlError.isSqlError(reason.defect))
  return ofClient !== undefined && Cause.isDieReason(ofClient) && SqlError.isSqlError(ofClient.defect)
    ? Effect.fail(ofClient.defect)
    : Effect.failCause(cause)
}

/** An SQL failure as the ports know it. */
export const storeError =
  (operation: string) =>
  (error: SqlError.SqlError): StoreError =>
    new StoreError({ operation, retryable: isRetryable(error), cause: error })

/**
 * Runs SQL as the application's role for one tenant, or as the system role. Role and tenant are set for the transaction
 * only, so a pooled connection never carries them to the next one, and without them row-level security shows nothing.
 */
export class Tenancy extends Context.Service<
  Tenancy,
  {
    readonly run: <A, E, R>(
      tenantId: TenantId,
      operation: string,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, Exclude<E, SqlError.SqlError> | StoreError, R>
    /** For one statement that enters its tenant by itself and is a transaction of its own, unless one is running. */
    readonly statement: <A, E, R>(
      tenantId: TenantId,
      operation: string,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, Exclude<E, SqlError.SqlError> | StoreError, R>
    readonly system: <A, E, R>(
      operation: string,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, Exclude<E, SqlError.SqlError> | StoreError, R>
  }
>()("@devops-mcp/database/Tenancy") {
  static readonly layer = Layer.effect(
    Tenancy,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const metrics = yield* makePoolMetrics

      /** A transaction of its own, in which role and tenant are set before anything else. */
      const entered = <A, E, R>(tenant: TenantId | "system", effect: Effect.Effect<A, E, R>) =>
        Effect.suspend(() => {
          const enter =
            tenant === "system"
              ? sql`select set_config('role', ${systemRole}, true)`
              : sql`select set_config('role', ${applicationRole}, true), set_config(${tenantSetting}, ${tenant}, true)`
          const entered: Entered = { tenant, isOpen: true }
          const entering = Effect.ensuring(
            Effect.andThen(enter, effect),
            Effect.sync(() => (entered.isOpen = false))
          )
          return metrics
            .running(sql.withTransaction(metrics.holding(entering)))
            .pipe(Effect.catchCause(failureOfTransaction), Effect.provideService(CurrentTenant, entered))
        })

      /** In the transaction that is running, or by what begins one. */
      const joining = <A, E, R, E2>(
        tenant: TenantId | "system",
        operation: string,
        effect: Effect.Effect<A, E, R>,
        begin: (tenant: TenantId | "system", effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2, R>
      ): Effect.Effect<A, Exclude<E | E2, SqlError.SqlError> | StoreError, R> =>
        Effect.contextWith((context: Context.Context<never>) => {
          const current = Context.get(context, CurrentTenant)
          const isJoining = current?.isOpen === true
          if (isJoining && current.tenant !== tenant) return foreign
          // Its connection may be another tenant's by now. What runs after the commit has none, and begins anew.
          const hasEnded = current?.isOpen === false
          if (hasEnded && Option.isSome(Context.getOption(context, sql.transactionService))) return outlived
          return Effect.mapError(isJoining ? effect : begin(tenant, effect), (error) =>
            // The compiler cannot narrow a type parameter; what is no SqlError is one of the others.
            SqlError.isSqlError(error) ? storeError(operation)(error) : (error as Exclude<E | E2, SqlError.SqlError>)
          )
        }).pipe(Effect.withSpan(operation), (run) => metrics.timed(operation, run))

      return Tenancy.of({
        run: (tenantId, operation, effect) => joining(tenantId, operation, effect, entered),
        statement: (tenantId, operation, effect) =>
          joining(tenantId, operation, effect, (_tenant, alone) => metrics.running(metrics.holding(alone))),
        system: (operation, effect) => joining("system", operation, effect, entered)
      })
    })
  )
}

/** Lets use-cases join several repository calls into one transaction. */
export const TransactionsLive = Layer.effect(
  Transactions,
  Effect.map(Tenancy, (tenancy) =>
    Transactions.of({ run: (tenantId, effect) => tenancy.run(tenantId, "Transactions.run", effect) })
  )
)
