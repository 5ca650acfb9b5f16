import { Audit } from "@devops-mcp/core/audit/Audit"
import { Effect, Layer } from "effect"

/** For suites that look at something else: nothing is put on record. */
export const AuditSilent = Layer.succeed(Audit, {
  record: () => Effect.void,
  repeated: () => Effect.void,
  refused: () => Effect.void
})
