import { Document } from "@devops-mcp/domain/Document"
import { Event } from "@devops-mcp/domain/Event"
import { LongText, Metadata, Name, Timestamp } from "@devops-mcp/domain/Fields"
import { DocumentId, EventId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import { SearchHit, SearchKind, SearchMode } from "@devops-mcp/domain/Search"
import { WebhookSource } from "@devops-mcp/domain/Webhook"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiSchema, OpenApi } from "effect/http-api"
import { guarded, OnlyReads, requires } from "./Authorization.ts"
import { idempotent } from "./Idempotency.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems } from "./Problems.ts"

const Label = Schema.String.check(Schema.isBetweenLength(1, 200))

export const EventQuery = Schema.Struct({
  ...listQuery,
  source: Schema.optionalKey(WebhookSource),
  type: Schema.optionalKey(Label),
  /** Full name, `owner/name`. */
  repository: Schema.optionalKey(Label),
  /** Only what occurred at or after this time. */
  since: Schema.optionalKey(Timestamp),
  /** Only what occurred before this time. */
  until: Schema.optionalKey(Timestamp)
})

export const EventPage = Page(Event)

/** Which events a feed shows; all of the tenant's when empty. */
export const feedFilter = {
  source: Schema.optionalKey(WebhookSource),
  type: Schema.optionalKey(Label),
  /** Full name, `owner/name`. */
  repository: Schema.optionalKey(Label)
}

/** A cursor that a feed gave. */
export const FeedCursor = Schema.String.check(Schema.isMaxLength(500))

/** The content that a browser's `EventSource` reads. */
export const eventStreamType = "text/event-stream"

const streamed = (operation: Record<string, unknown>): Record<string, unknown> => ({
  ...operation,
  summary: "Events as they happen",
  description:
    "Server-sent events: `event: event`, `id:` a cursor, `data:` the Event as JSON, once it is stored and again whenever its `status` has changed. " +
    "With `Last-Event-ID`, or `lastEventId` in the address, the stream goes on after that cursor without loss; else it begins now. " +
    "A comment every 15 seconds says that the stream is alive."
})

export class EventsApi extends guarded(
  "events",
  HttpApiEndpoint.get("list", "/", {
    query: EventQuery.fields,
    success: EventPage,
    error: CommonProblems
  }).pipe(requires("events:read")),
  HttpApiEndpoint.get("stream", "/stream", {
    query: { ...feedFilter, lastEventId: Schema.optionalKey(FeedCursor) },
    headers: { "last-event-id": Schema.optionalKey(FeedCursor) },
    success: HttpApiSchema.StreamUint8Array({ contentType: eventStreamType }),
    error: CommonProblems
  })
    .annotate(OpenApi.Transform, streamed)
    .pipe(requires("events:read")),
  HttpApiEndpoint.get("get", "/:id", { params: { id: EventId }, success: Event, error: CommonProblems }).pipe(
    requires("events:read")
  )
)
  .prefix("/events")
  .annotateMerge(OpenApi.annotations({ title: "Events", description: "What happened in the delivery pipeline" })) {}

export const AddDocument = Schema.Struct({
  title: Name,
  text: LongText.check(Schema.isNonEmpty()),
  uri: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(2000))),
  metadata: Schema.optionalKey(Metadata)
}).annotate({ identifier: "AddDocument" })

export class DocumentsApi extends guarded(
  "documents",
  HttpApiEndpoint.post("add", "/", {
    payload: AddDocument,
    success: Document.pipe(HttpApiSchema.status(202)),
    error: CommonProblems
  }).pipe(idempotent, requires("knowledge:write")),
  HttpApiEndpoint.get("list", "/", {
    query: listQuery,
    success: Page(Document),
    error: CommonProblems
  }).pipe(requires("knowledge:read")),
  HttpApiEndpoint.get("get", "/:id", {
    params: { id: DocumentId },
    success: Document,
    error: CommonProblems
  }).pipe(requires("knowledge:read")),
  HttpApiEndpoint.delete("delete", "/:id", { params: { id: DocumentId }, error: CommonProblems }).pipe(
    requires("knowledge:write")
  )
)
  .prefix("/documents")
  .annotateMerge(OpenApi.annotations({ title: "Documents", description: "Text added to the knowledge" })) {}

export const Search = Schema.Struct({
  query: Schema.String.check(Schema.isBetweenLength(1, 2000)),
  kinds: Schema.optionalKey(Schema.Array(SearchKind).check(Schema.isMinLength(1), Schema.isUnique())),
  /** Equality on metadata fields. */
  filter: Schema.optionalKey(Metadata),
  mode: Schema.optionalKey(SearchMode),
  /** How many hits at most; 10 when absent. */
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })))
}).annotate({ identifier: "Search" })

export const SearchHits = Schema.Struct({ items: Schema.Array(SearchHit) }).annotate({ identifier: "SearchHits" })

export class SearchApi extends guarded(
  "search",
  HttpApiEndpoint.post("search", "/", { payload: Search, success: SearchHits, error: CommonProblems })
    .annotate(OnlyReads, true)
    .pipe(requires("knowledge:read"))
)
  .prefix("/search")
  .annotateMerge(OpenApi.annotations({ title: "Search", description: "By meaning and by words, over everything" })) {}
