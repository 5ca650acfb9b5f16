import { makeAuditChain } from "@devops-mcp/core/audit/AuditChain"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import { type AuditEntry } from "@devops-mcp/domain/Audit"
import { AuditId, type TenantId } from "@devops-mcp/domain/Ids"
import { freshId, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Clock, DateTime, Effect, Layer, References, Schema, Stream } from "effect"

/** The audit log on a database of the suite's own. */
export const TestLayer = AuditTrail.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(RepositoriesLive, Tenancy.layer)),
  Layer.provideMerge(
    Layer.mergeAll(TestDatabase, TestSigningKey, NodeCrypto.layer, Layer.succeed(References.MinimumLogLevel, "None"))
  )
)

export const occurredAt = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")

/** An entry, with what a test cares about. */
export const newEntry = (given: Partial<AuditEntry> = {}): AuditEntry => ({
  id: freshId(AuditId),
  actor: "ada",
  credential: "api_key",
  action: "contexts.create",
  outcome: "ok",
  changes: true,
  requestId: "r1",
  durationMs: 1.5,
  occurredAt,
  ...given
})

/** Puts entries of one tenant on record. */
export const append = Effect.fnUntraced(function* (
  tenantId: TenantId,
  entries: ReadonlyArray<AuditEntry>,
  again = false
) {
  const { links } = yield* makeAuditChain
  const rows = entries.map((entry) => ({ tenantId, entry }))
  yield* (yield* AuditRepository).append(rows, links, again)
})

/** A tenant's rows, newest first. */
export const list = Effect.fnUntraced(function* (tenantId: TenantId, filter: object = {}) {
  return (yield* (yield* AuditRepository).list(tenantId, { limit: 200, ...filter })).items
})

/** What checking a tenant's chain finds. */
export const verify = Effect.fnUntraced(function* (tenantId: TenantId) {
  return yield* (yield* AuditTrail).verify(tenantId)
})

const encodeLine = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** An export, a text a line. */
export const exported = Effect.fnUntraced(function* (tenantId: TenantId, span: object = {}) {
  const lines = yield* Stream.runCollect((yield* AuditTrail).export(tenantId, span))
  return lines.map((line) => encodeLine(line))
})

/** As if it were this time: rows go to the partition of its month. */
export const at = (time: string) => {
  const millis = DateTime.toEpochMillis(DateTime.makeUnsafe(time))
  return Effect.updateService(Clock.Clock, (clock): Clock.Clock => ({
    currentTimeMillis: Effect.succeed(millis),
    currentTimeMillisUnsafe: () => millis,
    currentTimeNanos: clock.currentTimeNanos,
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    sleep: (duration) => clock.sleep(duration)
  }))
}
