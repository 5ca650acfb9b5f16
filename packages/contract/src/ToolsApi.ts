import { JsonSchemaDocument, Tool, ToolAction, ToolName } from "@devops-mcp/domain/Tool"
import { Metadata } from "@devops-mcp/domain/Fields"
import { Page } from "@devops-mcp/domain/Page"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiSchema, OpenApi } from "effect/http-api"
import { guarded, requires } from "./Authorization.ts"
import { idempotent } from "./Idempotency.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems, ConfirmationRequired } from "./Problems.ts"

const params = { name: ToolName }

/** Opaque; good once, for the caller and the arguments that it was given for. */
export const ConfirmationToken = Schema.String.check(Schema.isBetweenLength(1, 1000))

export const ToolKind = Schema.Struct({
  kind: Schema.String,
  title: Schema.String,
  configSchema: JsonSchemaDocument,
  credentialsSchema: Schema.optionalKey(JsonSchemaDocument)
}).annotate({ identifier: "ToolKind" })

/** What a tool is shown, as its kind's `credentialsSchema` says. They go in and never come out. */
const Credentials = Schema.RedactedFromValue(Schema.JsonObject)

export const CreateTool = Schema.Struct({
  name: ToolName,
  kind: Schema.String.check(Schema.isBetweenLength(1, 40)),
  config: Schema.optionalKey(Metadata),
  credentials: Schema.optionalKey(Credentials)
}).annotate({ identifier: "CreateTool" })

/** What is given replaces what is stored; null takes the credentials away. */
export const PatchTool = Schema.Struct({
  config: Schema.optionalKey(Metadata),
  credentials: Schema.optionalKey(Schema.NullOr(Credentials))
})
  .check(
    Schema.makeFilter(({ config, credentials }) => config !== undefined || credentials !== undefined, {
      expected: "config, credentials or both"
    })
  )
  .annotate({ identifier: "PatchTool" })

/** `confirmationToken` is what the 428 for the same arguments gave; only destructive actions need one. */
export const ExecuteAction = Schema.Struct({
  arguments: Schema.optionalKey(Schema.JsonObject),
  confirmationToken: Schema.optionalKey(ConfirmationToken)
}).annotate({ identifier: "ExecuteAction" })

/** `isError` true: the tool refused or failed, and `result` says why. */
export const ActionResult = Schema.Struct({
  result: Schema.JsonObject,
  isError: Schema.Boolean,
  durationMs: Schema.Finite
}).annotate({ identifier: "ActionResult" })
export type ActionResult = typeof ActionResult.Type

export const ToolHealth = Schema.Struct({
  status: Schema.Literals(["ok", "failing"]),
  detail: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "ToolHealth" })

/** `ETag` is the tool's version; `If-Match` on PATCH makes the change only to that version. */
const withETag = HttpApiSchema.WithHeaders(Tool, { etag: Schema.String })

export class ToolKindsApi extends guarded(
  "toolKinds",
  HttpApiEndpoint.get("list", "/", {
    success: Schema.Struct({ items: Schema.Array(ToolKind) }),
    error: CommonProblems
  }).pipe(requires("tools:read"))
)
  .prefix("/tool-kinds")
  .annotateMerge(OpenApi.annotations({ title: "Tool kinds", description: "The adapters of this deployment" })) {}

export class ToolsApi extends guarded(
  "tools",
  HttpApiEndpoint.post("create", "/", {
    payload: CreateTool,
    success: Tool.pipe(HttpApiSchema.status(201)),
    error: CommonProblems
  }).pipe(idempotent, requires("tools:admin")),
  HttpApiEndpoint.get("list", "/", { query: listQuery, success: Page(Tool), error: CommonProblems }).pipe(
    requires("tools:read")
  ),
  HttpApiEndpoint.get("get", "/:name", { params, success: withETag, error: CommonProblems }).pipe(
    requires("tools:read")
  ),
  HttpApiEndpoint.patch("update", "/:name", {
    params,
    headers: { "if-match": Schema.optionalKey(Schema.String.check(Schema.isMaxLength(100))) },
    payload: PatchTool,
    success: withETag,
    error: CommonProblems
  }).pipe(requires("tools:admin")),
  HttpApiEndpoint.delete("delete", "/:name", { params, error: CommonProblems }).pipe(requires("tools:admin")),
  HttpApiEndpoint.get("actions", "/:name/actions", {
    params,
    success: Schema.Struct({ items: Schema.Array(ToolAction) }),
    error: CommonProblems
  }).pipe(requires("tools:read")),
  HttpApiEndpoint.get("health", "/:name/health", {
    params,
    success: ToolHealth,
    error: CommonProblems
  }).pipe(requires("tools:read")),
  HttpApiEndpoint.post("execute", "/:name/actions/:action", {
    params: { ...params, action: Schema.String.check(Schema.isBetweenLength(1, 100)) },
    payload: ExecuteAction,
    success: ActionResult,
    error: [...CommonProblems, ConfirmationRequired]
  }).pipe(idempotent, requires("tools:read"))
)
  .prefix("/tools")
  .annotateMerge(OpenApi.annotations({ title: "Tools", description: "Configured tools and their actions" })) {}
