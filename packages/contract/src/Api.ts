import { HttpApi, OpenApi } from "effect/http-api"
import { ApiKeysApi, MeApi, TenantsApi } from "./AccessApi.ts"
import { AuditApi } from "./AuditApi.ts"
import { ConnectionsApi, OAuthProvidersApi } from "./ConnectionsApi.ts"
import { ContextsApi } from "./ContextsApi.ts"
import { DocumentsApi, EventsApi, SearchApi } from "./KnowledgeApi.ts"
import { complete } from "./OpenApiDocument.ts"
import { QueuesApi } from "./QueuesApi.ts"
import { TasksApi } from "./TasksApi.ts"
import { ToolKindsApi, ToolsApi } from "./ToolsApi.ts"
import { Validation } from "./Validation.ts"
import { DeliveriesApi, WebhooksApi } from "./WebhooksApi.ts"

/** Everything HTTP clients can ask for; `/openapi.json` is derived from it. */
export class Api extends HttpApi.make("devops-mcp")
  .add(
    MeApi,
    ContextsApi,
    EventsApi,
    DocumentsApi,
    SearchApi,
    ToolKindsApi,
    ToolsApi,
    TasksApi,
    OAuthProvidersApi,
    ConnectionsApi,
    WebhooksApi,
    QueuesApi,
    ApiKeysApi,
    TenantsApi,
    AuditApi
  )
  .prefix("/api/v1")
  .add(DeliveriesApi)
  .middleware(Validation)
  .annotate(HttpApi.PayloadParseOptions, { errors: "all" })
  .annotate(HttpApi.QueryParseOptions, { errors: "all" })
  .annotateMerge(
    OpenApi.annotations({
      title: "DevOps MCP",
      version: "0.1.0",
      description: "One platform between AI agents and DevOps tools.",
      license: { name: "MIT" },
      transform: complete
    })
  ) {}
