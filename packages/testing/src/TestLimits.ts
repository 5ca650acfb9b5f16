import * as LimiterMemory from "@devops-mcp/cache/LimiterMemory"
import type { Audit } from "@devops-mcp/core/audit/Audit"
import { Limits, type LimitSettings } from "@devops-mcp/core/limits/Limits"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Layer } from "effect"
import { AuditSilent } from "./AuditSilent.ts"

const generous = 1_000_000_000

/** The real limits in this process: as given, and else so high that no test meets them. */
export const testLimits = (settings: Partial<LimitSettings> = {}, audit: Layer.Layer<Audit> = AuditSilent) =>
  Limits.layer({
    perCredential: generous,
    perTenant: generous,
    perAddress: generous,
    tenantConcurrency: generous,
    ...settings
  }).pipe(Layer.provide([LimiterMemory.layer, NodeCrypto.layer, audit]))
