import type { TenantId } from "@devops-mcp/domain/Ids"
import { Context, type Effect } from "effect"
import type { StoreError } from "./StoreError.ts"

/**
 * Makes several repository calls, and the jobs offered among them, one unit: all of it commits or none does.
 * Repositories open their own transaction when there is none. Crossing tenants inside one is a defect.
 */
export class Transactions extends Context.Service<
  Transactions,
  {
    readonly run: <A, E, R>(tenantId: TenantId, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>
  }
>()("@devops-mcp/core/ports/Transactions") {}
