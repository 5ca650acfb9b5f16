import { Schema } from "effect"
import { Timestamp } from "./Fields.ts"
import { AuditId, TenantId } from "./Ids.ts"
import { Principal } from "./Principal.ts"

/** `denied`: authenticated but not allowed; `failed`: allowed but did not work. */
export const AuditOutcome = Schema.Literals(["ok", "denied", "failed"])
export type AuditOutcome = typeof AuditOutcome.Type

/** Who did what to what. Never arguments, bodies or secrets. */
export const AuditEntry = Schema.Struct({
  id: AuditId,
  actor: Schema.String,
  credential: Principal.fields.credential,
  /** Operation, for example `contexts.create` or `mcp.git_log`. */
  action: Schema.String,
  target: Schema.optionalKey(Schema.String),
  outcome: AuditOutcome,
  /** Whether the act may have changed something. */
  changes: Schema.Boolean,
  requestId: Schema.String,
  /** The client's network address, where it is known. */
  address: Schema.optionalKey(Schema.String),
  durationMs: Schema.Finite,
  occurredAt: Timestamp
}).annotate({ identifier: "AuditEntry" })
export type AuditEntry = typeof AuditEntry.Type

const Seq = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** SHA-256 in hexadecimal. */
export const AuditHash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))

/**
 * An entry in its tenant's chain: `seq` counts from 1 without a gap, `hash` covers everything else of the row and
 * `prevHash`, the hash of the row before. `recordedAt` never goes back from one row to the next.
 */
export const AuditRecord = Schema.Struct({
  ...AuditEntry.fields,
  tenantId: TenantId,
  seq: Seq,
  recordedAt: Timestamp,
  prevHash: AuditHash,
  hash: AuditHash
}).annotate({ identifier: "AuditRecord" })
export type AuditRecord = typeof AuditRecord.Type

/** A record as it is in JSON: what is hashed, exported and checked. */
export type AuditLine = typeof AuditRecord.Encoded

/** What a list of records is narrowed to; times are those of the acts. */
export const AuditFilter = Schema.Struct({
  actor: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 255))),
  action: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 200))),
  outcome: Schema.optionalKey(AuditOutcome),
  target: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 500))),
  /** Only what occurred at or after this time. */
  since: Schema.optionalKey(Timestamp),
  /** Only what occurred before this time. */
  until: Schema.optionalKey(Timestamp)
})
export type AuditFilter = typeof AuditFilter.Type

/** A place in a chain. */
export const AuditLink = Schema.Struct({ seq: Seq, hash: AuditHash }).annotate({ identifier: "AuditLink" })
export type AuditLink = typeof AuditLink.Type

/**
 * Where a chain breaks first. `changed`: the row is not what its hash says; `missing`: there is no row of this number;
 * `inserted`: the number was taken or not given out; `unlinked`: it follows another row than the one before;
 * `unsealed`: the chain up to this row was not written by this installation, or not with its present key.
 */
export const AuditBreak = Schema.Struct({
  /** What the row there says its id is; absent when there is none. */
  id: Schema.optionalKey(Schema.String),
  seq: Seq,
  reason: Schema.Literals(["changed", "missing", "inserted", "unlinked", "unsealed"])
}).annotate({ identifier: "AuditBreak" })
export type AuditBreak = typeof AuditBreak.Type

/** What checking a chain has found. */
export const AuditVerdict = Schema.Struct({
  valid: Schema.Boolean,
  /** Rows that were checked, up to and with the first broken one. */
  checked: Schema.Int,
  firstBroken: Schema.optionalKey(AuditBreak)
}).annotate({ identifier: "AuditVerdict" })
export type AuditVerdict = typeof AuditVerdict.Type
