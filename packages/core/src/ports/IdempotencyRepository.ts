import type { TenantId } from "@devops-mcp/domain/Ids"
import { Context, type DateTime, type Effect } from "effect"
import type { StoreError } from "./StoreError.ts"

/** Remembers which work took effect. Called inside the transaction of that effect, so both commit or neither does. */
export class IdempotencyRepository extends Context.Service<
  IdempotencyRepository,
  {
    /** True for the first claim of a key, false for ever after. */
    readonly claim: (tenantId: TenantId, key: string, now: DateTime.Utc) => Effect.Effect<boolean, StoreError>
  }
>()("@devops-mcp/core/ports/IdempotencyRepository") {}
