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

/** Which events a feed shows. */
export interface FeedFilter {
  readonly source?: WebhookSource
  readonly type?: string
  readonly repository?: string
}

export interface FeedRequest extends FeedFilter {
  readonly limit: number
  /** A cursor of this feed; only later changes are answered. */
  readonly after: string
}

/** An event as it was after a change, and the cursor behind it. */
export interface FeedEntry {
  readonly cursor: string
  readonly event: Event
}

export interface FeedPage {
  readonly items: ReadonlyArray<FeedEntry>
  /** Where to go on; later than the last item's where later changes did not fit the filter. */
  readonly cursor: string
  readonly hasMore: boolean
  /** There are changes that cannot be shown yet, because a transaction that began before them still runs. */
  readonly isHeldBack: boolean
}

/** Events, newest first. A delivery has at most one. */
export class EventRepository extends Context.Service<
  EventRepository,
  {
    /** Writes the event of its delivery, or changes the status of the one that is there; answers the stored event. */
    readonly upsert: (tenantId: TenantId, event: Event) => Effect.Effect<Event, StoreError>
    readonly get: (tenantId: TenantId, id: EventId) => Effect.Effect<Event, NotFound | StoreError>
    readonly list: (tenantId: TenantId, filter: EventFilter) => Effect.Effect<Page<Event>, CursorError | StoreError>
    /** The cursor behind all changes that a feed can show now. */
    readonly feedEnd: (tenantId: TenantId) => Effect.Effect<string, StoreError>
    /**
     * Changes in the order in which they can be shown: every committed change once, whatever the order of commits. Of an
     * event that changed again only the newest state is there. A change of nothing is none.
     */
    readonly feed: (tenantId: TenantId, request: FeedRequest) => Effect.Effect<FeedPage, CursorError | StoreError>
  }
>()("@devops-mcp/core/ports/EventRepository") {}
