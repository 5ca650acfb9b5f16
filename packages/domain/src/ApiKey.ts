import { Schema } from "effect"
import { Name, Timestamp } from "./Fields.ts"
import { ApiKeyId } from "./Ids.ts"
import { Role } from "./Principal.ts"

/** A credential of a tenant. Its secret is shown once, when it is created, and stored only as a hash. */
export const ApiKey = Schema.Struct({
  id: ApiKeyId,
  name: Name,
  role: Role,
  createdAt: Timestamp,
  expiresAt: Schema.optionalKey(Timestamp),
  revokedAt: Schema.optionalKey(Timestamp)
}).annotate({ identifier: "ApiKey" })
export type ApiKey = typeof ApiKey.Type
