import { AgentContext, ContextItem, ContextWindow, ItemRole, WindowStrategy } from "@devops-mcp/domain/AgentContext"
import { LongText, Metadata, Name, Timestamp } from "@devops-mcp/domain/Fields"
import { ContextId, ContextItemId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiSchema, OpenApi } from "effect/http-api"
import { guarded, OnlyReads, requires } from "./Authorization.ts"
import { idempotent } from "./Idempotency.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems } from "./Problems.ts"

const Budget = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000_000 }))
const Label = Schema.String.check(Schema.isBetweenLength(1, 200))
const Description = Schema.String.check(Schema.isMaxLength(2000))
const params = { id: ContextId }

export const CreateContext = Schema.Struct({
  name: Name,
  description: Schema.optionalKey(Description),
  agentId: Schema.optionalKey(Label),
  modelId: Schema.optionalKey(Label),
  sessionId: Schema.optionalKey(Label),
  /** Default budget of its windows, in o200k tokens; 128,000 when absent. */
  maxTokens: Schema.optionalKey(Budget),
  metadata: Schema.optionalKey(Metadata),
  expiresAt: Schema.optionalKey(Timestamp)
}).annotate({ identifier: "CreateContext" })

export const PatchContext = Schema.Struct({
  name: Schema.optionalKey(Name),
  description: Schema.optionalKey(Description),
  maxTokens: Schema.optionalKey(Budget),
  metadata: Schema.optionalKey(Metadata),
  expiresAt: Schema.optionalKey(Timestamp)
}).annotate({ identifier: "PatchContext" })

export const NewItem = Schema.Struct({
  role: ItemRole,
  content: LongText,
  pinned: Schema.optionalKey(Schema.Boolean),
  metadata: Schema.optionalKey(Metadata)
}).annotate({ identifier: "NewItem" })

export const AppendItems = Schema.Struct({
  items: Schema.Array(NewItem).check(Schema.isBetweenLength(1, 1000))
}).annotate({ identifier: "AppendItems" })

export const AppendedItems = Schema.Struct({ items: Schema.Array(ContextItem), context: AgentContext }).annotate({
  identifier: "AppendedItems"
})

export const WindowQuery = Schema.Struct({
  /** Token budget; the context's own `maxTokens` when absent. */
  maxTokens: Schema.optionalKey(Budget),
  strategy: Schema.optionalKey(WindowStrategy)
})

export const CompactContext = Schema.Struct({
  maxTokens: Budget,
  strategy: Schema.optionalKey(WindowStrategy)
}).annotate({ identifier: "CompactContext" })

export const CompactedContext = Schema.Struct({
  context: AgentContext,
  /** What left the window; the digest item says where it can be read. Null when everything fitted. */
  digest: Schema.NullOr(ContextItem),
  removed: Schema.Struct({ count: Schema.Int, tokens: Schema.Int })
}).annotate({ identifier: "CompactedContext" })

export const SearchContext = Schema.Struct({
  query: Schema.String.check(Schema.isBetweenLength(1, 2000)),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })))
}).annotate({ identifier: "SearchContext" })

export const ContextHits = Schema.Struct({
  items: Schema.Array(Schema.Struct({ seq: Schema.Int, role: ItemRole, score: Schema.Finite, text: Schema.String }))
}).annotate({ identifier: "ContextHits" })

/** `ETag` is the context's version; `If-Match` on PATCH makes the change only to that version. */
const withETag = HttpApiSchema.WithHeaders(AgentContext, { etag: Schema.String })

export class ContextsApi extends guarded(
  "contexts",
  HttpApiEndpoint.post("create", "/", {
    payload: CreateContext,
    success: AgentContext.pipe(HttpApiSchema.status(201)),
    error: CommonProblems
  }).pipe(idempotent, requires("contexts:write")),
  HttpApiEndpoint.get("list", "/", {
    query: {
      ...listQuery,
      agentId: Schema.optionalKey(Label),
      sessionId: Schema.optionalKey(Label),
      q: Schema.optionalKey(Label)
    },
    success: Page(AgentContext),
    error: CommonProblems
  }).pipe(requires("contexts:read")),
  HttpApiEndpoint.get("get", "/:id", { params, success: withETag, error: CommonProblems }).pipe(
    requires("contexts:read")
  ),
  HttpApiEndpoint.patch("update", "/:id", {
    params,
    headers: { "if-match": Schema.optionalKey(Schema.String.check(Schema.isMaxLength(100))) },
    payload: PatchContext,
    success: withETag,
    error: CommonProblems
  }).pipe(requires("contexts:write")),
  HttpApiEndpoint.delete("delete", "/:id", { params, error: CommonProblems }).pipe(requires("contexts:write")),
  HttpApiEndpoint.post("append", "/:id/items", {
    params,
    payload: AppendItems,
    success: AppendedItems.pipe(HttpApiSchema.status(201)),
    error: CommonProblems
  }).pipe(idempotent, requires("contexts:write")),
  HttpApiEndpoint.get("items", "/:id/items", {
    params,
    query: {
      ...listQuery,
      /** Lists the items that this digest item replaced instead of the current ones. */
      digest: Schema.optionalKey(ContextItemId)
    },
    success: Page(ContextItem),
    error: CommonProblems
  }).pipe(requires("contexts:read")),
  HttpApiEndpoint.get("window", "/:id/window", {
    params,
    query: WindowQuery.fields,
    success: ContextWindow,
    error: CommonProblems
  }).pipe(requires("contexts:read")),
  HttpApiEndpoint.post("compact", "/:id/compact", {
    params,
    payload: CompactContext,
    success: CompactedContext,
    error: CommonProblems
  }).pipe(idempotent, requires("contexts:write")),
  HttpApiEndpoint.post("search", "/:id/search", {
    params,
    payload: SearchContext,
    success: ContextHits,
    error: CommonProblems
  })
    .annotate(OnlyReads, true)
    .pipe(requires("contexts:read"))
)
  .prefix("/contexts")
  .annotateMerge(
    OpenApi.annotations({ title: "Contexts", description: "What agents work in, within token budgets" })
  ) {}
