import type { Conflict, NotFound, StaleVersion } from "@devops-mcp/domain/Errors"
import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { Tool } from "@devops-mcp/domain/Tool"
import { Context, type DateTime, type Effect } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** Configured tool instances; the name is unique in a tenant. */
export class ToolRepository extends Context.Service<
  ToolRepository,
  {
    readonly create: (tenantId: TenantId, tool: Tool) => Effect.Effect<Tool, Conflict | StoreError>
    readonly get: (tenantId: TenantId, name: string) => Effect.Effect<Tool, NotFound | StoreError>
    readonly list: (tenantId: TenantId, page: PageRequest) => Effect.Effect<Page<Tool>, CursorError | StoreError>
    readonly update: (
      tenantId: TenantId,
      name: string,
      config: Tool["config"],
      now: DateTime.Utc,
      version?: number
    ) => Effect.Effect<Tool, NotFound | StaleVersion | StoreError>
    readonly delete: (tenantId: TenantId, name: string) => Effect.Effect<void, NotFound | StoreError>
  }
>()("@devops-mcp/core/ports/ToolRepository") {}
