import {
  ClientAuthentication,
  Connection,
  EndpointUrl,
  OAuthProvider,
  OAuthScopes,
  ProviderName
} from "@devops-mcp/domain/Connection"
import { Timestamp } from "@devops-mcp/domain/Fields"
import { ConnectionId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import { ToolName } from "@devops-mcp/domain/Tool"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiSchema, OpenApi } from "effect/http-api"
import { guarded, requires } from "./Authorization.ts"
import { idempotent } from "./Idempotency.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems } from "./Problems.ts"

/** Providers whose addresses are known to us. */
export const ProviderPreset = Schema.Literals(["github", "gitlab"])

/**
 * A `preset` (also meant by a name that is one), an `issuer` that publishes its endpoints, or the two endpoints, with
 * the issuer where the server says in its answers who it is.
 */
export const CreateOAuthProvider = Schema.Struct({
  name: ProviderName,
  preset: Schema.optionalKey(ProviderPreset),
  issuer: Schema.optionalKey(EndpointUrl),
  authorizationEndpoint: Schema.optionalKey(EndpointUrl),
  tokenEndpoint: Schema.optionalKey(EndpointUrl),
  revocationEndpoint: Schema.optionalKey(EndpointUrl),
  clientId: OAuthProvider.fields.clientId,
  /** Absent for a public client. */
  clientSecret: Schema.optionalKey(
    Schema.RedactedFromValue(Schema.String.check(Schema.isBetweenLength(1, 2000)), { label: "clientSecret" })
  ),
  clientAuthentication: Schema.optionalKey(ClientAuthentication),
  scopes: Schema.optionalKey(OAuthScopes),
  allowPrivateNetwork: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "CreateOAuthProvider" })

/** The provider, or the tool that needs it; `shared` connects an account for the whole tenant. */
export const CreateConnection = Schema.Struct({
  provider: Schema.optionalKey(ProviderName),
  tool: Schema.optionalKey(ToolName),
  shared: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "CreateConnection" })

/** To be opened in the browser of the account's owner, once, before it expires. */
export const StartedConnection = Schema.Struct({
  provider: ProviderName,
  authorizationUrl: Schema.String,
  state: Schema.String,
  expiresAt: Timestamp
}).annotate({ identifier: "StartedConnection" })

const named = { name: ProviderName }

export class OAuthProvidersApi extends guarded(
  "oauthProviders",
  HttpApiEndpoint.post("create", "/", {
    payload: CreateOAuthProvider,
    success: OAuthProvider.pipe(HttpApiSchema.status(201)),
    error: CommonProblems
  }).pipe(idempotent, requires("tools:admin")),
  HttpApiEndpoint.get("list", "/", {
    query: listQuery,
    success: Page(OAuthProvider),
    error: CommonProblems
  }).pipe(requires("tools:execute")),
  HttpApiEndpoint.get("get", "/:name", { params: named, success: OAuthProvider, error: CommonProblems }).pipe(
    requires("tools:execute")
  ),
  HttpApiEndpoint.delete("delete", "/:name", { params: named, error: CommonProblems }).pipe(requires("tools:admin"))
)
  .prefix("/oauth-providers")
  .annotateMerge(
    OpenApi.annotations({ title: "OAuth providers", description: "Authorization servers of third-party tools" })
  ) {}

export class ConnectionsApi extends guarded(
  "connections",
  HttpApiEndpoint.post("create", "/", {
    payload: CreateConnection,
    success: StartedConnection.pipe(HttpApiSchema.status(201)),
    error: CommonProblems
  }).pipe(idempotent, requires("tools:execute")),
  HttpApiEndpoint.get("list", "/", { query: listQuery, success: Page(Connection), error: CommonProblems }).pipe(
    requires("tools:execute")
  ),
  HttpApiEndpoint.delete("delete", "/:id", { params: { id: ConnectionId }, error: CommonProblems }).pipe(
    requires("tools:execute")
  )
)
  .prefix("/connections")
  .annotateMerge(
    OpenApi.annotations({ title: "Connections", description: "Accounts of third-party tools that callers connected" })
  ) {}
