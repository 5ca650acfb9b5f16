import { Schema } from "effect"
import { TenantId } from "./Ids.ts"

/** Each role includes the ones before it; what a role may do is the policy table's business (core/Policy). */
export const Role = Schema.Literals(["viewer", "agent", "operator", "admin", "platform"])
export type Role = typeof Role.Type

/** What an operation can require and a credential can carry. */
export const Scope = Schema.Literals([
  "contexts:read",
  "contexts:write",
  "knowledge:read",
  "knowledge:write",
  "events:read",
  "tools:read",
  "tools:execute",
  "tools:destroy",
  "tools:admin",
  "webhooks:admin",
  "queues:admin",
  "keys:admin",
  "audit:read",
  "tenants:admin"
])
export type Scope = typeof Scope.Type

/** Who is calling: an authenticated actor of exactly one tenant, with the scopes it may use. */
export const Principal = Schema.Struct({
  tenantId: TenantId,
  credential: Schema.Literals(["api_key", "jwt"]),
  /** The API key's id, or the subject of the token. */
  actor: Schema.String,
  name: Schema.String,
  role: Role,
  scopes: Schema.Array(Scope)
}).annotate({ identifier: "Principal" })
export type Principal = typeof Principal.Type
