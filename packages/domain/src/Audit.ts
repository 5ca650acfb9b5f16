import { Schema } from "effect"
import { Timestamp } from "./Fields.ts"
import { AuditId } from "./Ids.ts"

/** `denied`: authenticated but not allowed; `failed`: allowed but did not work. */
export const AuditOutcome = Schema.Literals(["ok", "denied", "failed"])
export type AuditOutcome = typeof AuditOutcome.Type

/** Who did what to what. Never arguments, bodies or secrets. */
export const AuditEntry = Schema.Struct({
  id: AuditId,
  actor: Schema.String,
  /** Operation, for example `contexts.create` or `mcp.git_log`. */
  action: Schema.String,
  target: Schema.optionalKey(Schema.String),
  outcome: AuditOutcome,
  requestId: Schema.String,
  durationMs: Schema.Finite,
  occurredAt: Timestamp
}).annotate({ identifier: "AuditEntry" })
export type AuditEntry = typeof AuditEntry.Type
