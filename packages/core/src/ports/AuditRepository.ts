import type { AuditEntry } from "@devops-mcp/domain/Audit"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { Context, type Effect } from "effect"
import type { StoreError } from "./StoreError.ts"

/** Append-only: the application's database role cannot change or remove a row. */
export class AuditRepository extends Context.Service<
  AuditRepository,
  {
    readonly append: (
      entries: ReadonlyArray<{ readonly tenantId: TenantId; readonly entry: AuditEntry }>
    ) => Effect.Effect<void, StoreError>
    readonly list: (tenantId: TenantId, limit: number) => Effect.Effect<ReadonlyArray<AuditEntry>, StoreError>
  }
>()("@devops-mcp/core/ports/AuditRepository") {}
