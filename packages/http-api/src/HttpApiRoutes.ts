import { Api } from "@devops-mcp/contract/Api"
import { Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AuthorizationLive } from "./Authorization.ts"
import { DocsRoute } from "./Docs.ts"
import { ApiKeysHandlers } from "./handlers/ApiKeys.ts"
import { AuditHandlers } from "./handlers/Audit.ts"
import { ConnectionsHandlers, OAuthProvidersHandlers } from "./handlers/Connections.ts"
import { ContextsHandlers } from "./handlers/Contexts.ts"
import { DeliveriesHandlers } from "./handlers/Deliveries.ts"
import { DocumentsHandlers } from "./handlers/Documents.ts"
import { EventsHandlers } from "./handlers/Events.ts"
import { MeHandlers } from "./handlers/Me.ts"
import { QueuesHandlers } from "./handlers/Queues.ts"
import { SearchHandlers } from "./handlers/Search.ts"
import { TasksHandlers } from "./handlers/Tasks.ts"
import { TenantsHandlers } from "./handlers/Tenants.ts"
import { ToolKindsHandlers } from "./handlers/ToolKinds.ts"
import { ToolsHandlers } from "./handlers/Tools.ts"
import { WebhooksHandlers } from "./handlers/Webhooks.ts"
import { IdempotencyLive } from "./Idempotency.ts"
import { OAuthCallbackRoute } from "./OAuthCallback.ts"
import { PermissionsDeclared } from "./Permissions.ts"
import { RpcRoute } from "./rpc/RpcRoute.ts"
import { UnservedRoutes } from "./Unserved.ts"
import { ValidationLive } from "./Validation.ts"

const ApiRoutes = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([
    ApiKeysHandlers,
    AuditHandlers,
    ConnectionsHandlers,
    ContextsHandlers,
    DeliveriesHandlers,
    DocumentsHandlers,
    EventsHandlers,
    MeHandlers,
    OAuthProvidersHandlers,
    QueuesHandlers,
    SearchHandlers,
    TasksHandlers,
    TenantsHandlers,
    ToolKindsHandlers,
    ToolsHandlers,
    WebhooksHandlers
  ]),
  Layer.provide([AuthorizationLive, IdempotencyLive, ValidationLive]),
  Layer.provide(PermissionsDeclared(Api))
)

/** Every route of the HTTP API with its document and its reference; what it needs are use-cases and repositories. */
export const HttpApiRoutes = Layer.mergeAll(ApiRoutes, DocsRoute, OAuthCallbackRoute, RpcRoute, UnservedRoutes)
