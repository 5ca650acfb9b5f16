import { Schema } from "effect"
import { Name, Timestamp } from "./Fields.ts"
import { ApiKeyId } from "./Ids.ts"
import { Role, Scope } from "./Principal.ts"

/** A credential of a tenant. Its secret is shown once, when it is created, and stored only as a hash. */
export const ApiKey = Schema.Struct({
  id: ApiKeyId,
  name: Name,
  /** How the secret begins, for people to recognise it; unknown of a key made by an earlier version and not used since. */
  prefix: Schema.optionalKey(Schema.String),
  role: Role,
  /** The only scopes of its role that the key has; absent, it has all of them. */
  scopes: Schema.optionalKey(Schema.Array(Scope)),
  createdAt: Timestamp,
  expiresAt: Schema.optionalKey(Timestamp),
  /** To the minute: it is written at most so often. */
  lastUsedAt: Schema.optionalKey(Timestamp),
  revokedAt: Schema.optionalKey(Timestamp)
}).annotate({ identifier: "ApiKey" })
export type ApiKey = typeof ApiKey.Type
