import type { AgentContext, ContextItem } from "@devops-mcp/domain/AgentContext"
import type { NotFound, StaleVersion } from "@devops-mcp/domain/Errors"
import type { ContextId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Context, type DateTime, type Effect } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

export type NewContext = Omit<AgentContext, "tokenCount" | "itemCount" | "version" | "updatedAt">
export type ContextPatch = Partial<Pick<AgentContext, "name" | "description" | "maxTokens" | "metadata" | "expiresAt">>
export type NewItem = Omit<ContextItem, "seq">

export interface ContextFilter extends PageRequest {
  readonly agentId?: string
  readonly sessionId?: string
  /** Part of the name or description, any case. */
  readonly q?: string
}

/** Contexts and their items. Counters on the context change in the same transaction as the items. */
export class ContextRepository extends Context.Service<
  ContextRepository,
  {
    readonly create: (tenantId: TenantId, context: NewContext) => Effect.Effect<AgentContext, StoreError>
    readonly get: (tenantId: TenantId, id: ContextId) => Effect.Effect<AgentContext, NotFound | StoreError>
    readonly list: (
      tenantId: TenantId,
      filter: ContextFilter
    ) => Effect.Effect<Page<AgentContext>, CursorError | StoreError>
    /** With `version`, only if it is still the stored one. */
    readonly update: (
      tenantId: TenantId,
      id: ContextId,
      patch: ContextPatch,
      now: DateTime.Utc,
      version?: number
    ) => Effect.Effect<AgentContext, NotFound | StaleVersion | StoreError>
    readonly delete: (tenantId: TenantId, id: ContextId) => Effect.Effect<void, NotFound | StoreError>
    /** Gives the items the next `seq`s in their order; concurrent appends never share or skip one. */
    readonly append: (
      tenantId: TenantId,
      id: ContextId,
      items: ReadonlyArray<NewItem>
    ) => Effect.Effect<
      { readonly items: ReadonlyArray<ContextItem>; readonly context: AgentContext },
      NotFound | StoreError
    >
    /** Items in `seq` order; `includeRemoved` also those that a compaction took out of the window. */
    readonly listItems: (
      tenantId: TenantId,
      id: ContextId,
      page: PageRequest & { readonly removedBy?: string }
    ) => Effect.Effect<Page<ContextItem>, NotFound | CursorError | StoreError>
    /** All items of the window, oldest first. */
    readonly allItems: (
      tenantId: TenantId,
      id: ContextId
    ) => Effect.Effect<ReadonlyArray<ContextItem>, NotFound | StoreError>
    /** Takes the items out of the window and puts the digest where the first of them was, in one step. */
    readonly replaceWithDigest: (
      tenantId: TenantId,
      id: ContextId,
      removed: ReadonlyArray<ContextItem["id"]>,
      digest: NewItem & { readonly seq: number }
    ) => Effect.Effect<AgentContext, NotFound | StaleVersion | StoreError>
  }
>()("@devops-mcp/core/ports/ContextRepository") {}
