import type { NotFound } from "@devops-mcp/domain/Errors"
import type { Event } from "@devops-mcp/domain/Event"
import type { EventId, TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { WebhookSource } from "@devops-mcp/domain/Webhook"
import { Context, type DateTime, type Effect } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

export interface EventFilter extends PageRequest {
  readonly source?: WebhookSource
  readonly type?: string
  readonly repository?: string
  /** Bounds on `occurredAt`, `since` inclusive, `until` exclusive. */
  readonly since?: DateTime.Utc
  readonly until?: DateTime.Utc
}

/** Events, newest first. A delivery has at most one. */
export class EventRepository extends Context.Service<
  EventRepository,
  {
    /** Writes the event of its delivery, or changes the status of the one that is there; answers the stored event. */
    readonly upsert: (tenantId: TenantId, event: Event) => Effect.Effect<Event, StoreError>
    readonly get: (tenantId: TenantId, id: EventId) => Effect.Effect<Event, NotFound | StoreError>
    readonly list: (tenantId: TenantId, filter: EventFilter) => Effect.Effect<Page<Event>, CursorError | StoreError>
  }
>()("@devops-mcp/core/ports/EventRepository") {}
