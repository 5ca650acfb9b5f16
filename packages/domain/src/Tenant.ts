import { Schema } from "effect"
import { Name, Timestamp } from "./Fields.ts"
import { TenantId } from "./Ids.ts"

/** A team whose rows nobody else sees. */
export const Tenant = Schema.Struct({
  id: TenantId,
  name: Name,
  createdAt: Timestamp
}).annotate({ identifier: "Tenant" })
export type Tenant = typeof Tenant.Type
