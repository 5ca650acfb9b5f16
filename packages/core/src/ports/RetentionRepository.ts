import type { ContextId, DeliveryId, TenantId } from "@devops-mcp/domain/Ids"
import { Context, type DateTime, type Effect } from "effect"
import type { StoreError } from "./StoreError.ts"

/** Tables with a partition for each month of UTC in which their rows were received. */
export type MonthlyTable = "events" | "deliveries"

/** Rows whose time is over, which are removed some at a time. */
export type Expiring = "eventPassages" | "deliveryKeys" | "idempotency" | "apiKeys"

/** A delivery whose payload is an object. */
export interface PayloadObject {
  readonly tenantId: TenantId
  readonly deliveryId: DeliveryId
}

export interface ExpiredContext {
  readonly tenantId: TenantId
  readonly contextId: ContextId
}

/**
 * What is old, of all tenants. Each method is one transaction; of several replicas that are at it one does it, and for
 * the others there is nothing to do.
 */
export class RetentionRepository extends Context.Service<
  RetentionRepository,
  {
    /** Makes the partitions of a time's month and those ahead, for rows too that came before their partition. */
    readonly makePartitions: (table: MonthlyTable, now: DateTime.Utc) => Effect.Effect<void, StoreError>
    /** Drops the months that ended before; answers the names of the partitions. */
    readonly dropPartitions: (
      table: MonthlyTable,
      before: DateTime.Utc
    ) => Effect.Effect<ReadonlyArray<string>, StoreError>
    /**
     * Removes some of what is older, oldest first; answers how many. Passages of events are as old as their event, and
     * removed too when it is not there; API keys are as old as their expiry.
     */
    readonly remove: (kind: Expiring, before: DateTime.Utc, limit: number) => Effect.Effect<number, StoreError>
    /** Removes contexts whose time is over, with their passages; answers which. */
    readonly removeContexts: (
      now: DateTime.Utc,
      limit: number
    ) => Effect.Effect<ReadonlyArray<ExpiredContext>, StoreError>
    /** Objects that were noted before and whose delivery is not there, be it dropped, deleted or never accepted. */
    readonly strayObjects: (
      before: DateTime.Utc,
      limit: number
    ) => Effect.Effect<ReadonlyArray<PayloadObject>, StoreError>
    /** Says that these objects are no more. */
    readonly forgetObjects: (ids: ReadonlyArray<DeliveryId>) => Effect.Effect<void, StoreError>
  }
>()("@devops-mcp/core/ports/RetentionRepository") {}
