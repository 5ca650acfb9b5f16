import type { NotFound } from "@devops-mcp/domain/Errors"
import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { Tenant } from "@devops-mcp/domain/Tenant"
import { Context, type Effect } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** The tenants themselves: for the platform's administrator and for the first start. */
export class TenantRepository extends Context.Service<
  TenantRepository,
  {
    readonly create: (tenant: Tenant) => Effect.Effect<Tenant, StoreError>
    readonly get: (id: TenantId) => Effect.Effect<Tenant, NotFound | StoreError>
    readonly list: (page: PageRequest) => Effect.Effect<Page<Tenant>, CursorError | StoreError>
    /** The tenant that the first key belongs to; made by whoever asks first, the same for all replicas. */
    readonly first: (candidate: Tenant) => Effect.Effect<Tenant, StoreError>
  }
>()("@devops-mcp/core/ports/TenantRepository") {}
