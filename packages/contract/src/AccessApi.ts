import { ApiKey } from "@devops-mcp/domain/ApiKey"
import { Name, Timestamp } from "@devops-mcp/domain/Fields"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import { Principal, Role, Scope } from "@devops-mcp/domain/Principal"
import { Tenant } from "@devops-mcp/domain/Tenant"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiSchema, OpenApi } from "effect/http-api"
import { guarded, requires } from "./Authorization.ts"
import { idempotent } from "./Idempotency.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems } from "./Problems.ts"

export const Me = Schema.Struct({
  ...Principal.fields,
  /** Only when the credential is an API key. */
  apiKeyId: Schema.optionalKey(ApiKeyId)
}).annotate({ identifier: "Me" })

export class MeApi extends guarded(
  "me",
  HttpApiEndpoint.get("me", "/", { success: Me, error: CommonProblems }).pipe(requires("any"))
)
  .prefix("/me")
  .annotateMerge(OpenApi.annotations({ title: "Me", description: "Who the credential is and what it may do" })) {}

export const CreateApiKey = Schema.Struct({
  name: Name,
  role: Role,
  /** Only these of the role's scopes; the caller must have them. Absent, all of the role's. */
  scopes: Schema.optionalKey(
    Schema.Array(Scope).check(Schema.isMinLength(1), Schema.isMaxLength(Scope.literals.length), Schema.isUnique())
  ),
  expiresAt: Schema.optionalKey(Timestamp),
  /** Another tenant than the caller's; for the role `platform` only. */
  tenantId: Schema.optionalKey(TenantId)
}).annotate({ identifier: "CreateApiKey" })

/** The key is in this answer only. */
export const CreatedApiKey = Schema.Struct({ ...ApiKey.fields, key: Schema.String }).annotate({
  identifier: "CreatedApiKey"
})

export class ApiKeysApi extends guarded(
  "apiKeys",
  HttpApiEndpoint.post("create", "/", {
    payload: CreateApiKey,
    success: CreatedApiKey.pipe(HttpApiSchema.status(201)),
    error: CommonProblems
  }).pipe(idempotent, requires("keys:admin")),
  HttpApiEndpoint.get("list", "/", { query: listQuery, success: Page(ApiKey), error: CommonProblems }).pipe(
    requires("keys:admin")
  ),
  HttpApiEndpoint.get("get", "/:id", {
    params: { id: ApiKeyId },
    success: ApiKey,
    error: CommonProblems
  }).pipe(requires("keys:admin")),
  HttpApiEndpoint.delete("revoke", "/:id", { params: { id: ApiKeyId }, error: CommonProblems }).pipe(
    requires("keys:admin")
  )
)
  .prefix("/api-keys")
  .annotateMerge(OpenApi.annotations({ title: "API keys", description: "Credentials of a tenant" })) {}

export const CreateTenant = Schema.Struct({ name: Name }).annotate({ identifier: "CreateTenant" })

export class TenantsApi extends guarded(
  "tenants",
  HttpApiEndpoint.post("create", "/", {
    payload: CreateTenant,
    success: Tenant.pipe(HttpApiSchema.status(201)),
    error: CommonProblems
  }).pipe(idempotent, requires("tenants:admin")),
  HttpApiEndpoint.get("list", "/", { query: listQuery, success: Page(Tenant), error: CommonProblems }).pipe(
    requires("tenants:admin")
  ),
  HttpApiEndpoint.get("get", "/:id", {
    params: { id: TenantId },
    success: Tenant,
    error: CommonProblems
  }).pipe(requires("tenants:admin"))
)
  .prefix("/tenants")
  .annotateMerge(OpenApi.annotations({ title: "Tenants", description: "Teams whose data is kept apart" })) {}
