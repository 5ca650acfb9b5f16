import type { Conflict, NotFound, StaleVersion } from "@devops-mcp/domain/Errors"
import type { TenantId, ToolId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { Tool } from "@devops-mcp/domain/Tool"
import { Context, type DateTime, type Effect, type Option } from "effect"
import type { SealedText } from "../secrets/SealedText.ts"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** What becomes another; null takes the credentials away. */
export interface ToolChanges {
  readonly config?: Tool["config"]
  readonly credentials?: SealedText | null
}

/** Configured tool instances; the name is unique in a tenant. Credentials are kept beside them and come out sealed. */
export class ToolRepository extends Context.Service<
  ToolRepository,
  {
    readonly create: (
      tenantId: TenantId,
      tool: Tool,
      credentials?: SealedText
    ) => Effect.Effect<Tool, Conflict | StoreError>
    readonly get: (tenantId: TenantId, name: string) => Effect.Effect<Tool, NotFound | StoreError>
    readonly list: (tenantId: TenantId, page: PageRequest) => Effect.Effect<Page<Tool>, CursorError | StoreError>
    readonly credentials: (tenantId: TenantId, id: ToolId) => Effect.Effect<Option.Option<SealedText>, StoreError>
    readonly update: (
      tenantId: TenantId,
      name: string,
      changes: ToolChanges,
      now: DateTime.Utc,
      version?: number
    ) => Effect.Effect<Tool, NotFound | StaleVersion | StoreError>
    readonly delete: (tenantId: TenantId, name: string) => Effect.Effect<void, NotFound | StoreError>
  }
>()("@devops-mcp/core/ports/ToolRepository") {}
