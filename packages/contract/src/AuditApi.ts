import { AuditFilter, AuditRecord, AuditVerdict } from "@devops-mcp/domain/Audit"
import { Timestamp } from "@devops-mcp/domain/Fields"
import { Page } from "@devops-mcp/domain/Page"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiSchema, OpenApi } from "effect/http-api"
import { guarded, requires } from "./Authorization.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems } from "./Problems.ts"

export const AuditPage = Page(AuditRecord)

/** JSON lines: a header, the rows in the order of the chain, and a trailer that tells that nothing is cut off. */
export const auditExportType = "application/x-ndjson"

export class AuditApi extends guarded(
  "audit",
  HttpApiEndpoint.get("list", "/", {
    query: { ...listQuery, ...AuditFilter.fields },
    success: AuditPage,
    error: CommonProblems
  }).pipe(requires("audit:read")),
  HttpApiEndpoint.get("verify", "/verify", { success: AuditVerdict, error: CommonProblems }).pipe(
    requires("audit:read")
  ),
  HttpApiEndpoint.get("export", "/export", {
    query: {
      /** Only what was put on record at or after this time. */
      since: Schema.optionalKey(Timestamp),
      /** Only what was put on record before this time. */
      until: Schema.optionalKey(Timestamp)
    },
    success: HttpApiSchema.StreamUint8Array({ contentType: auditExportType }),
    error: CommonProblems
  }).pipe(requires("audit:read"))
)
  .prefix("/audit")
  .annotateMerge(
    OpenApi.annotations({ title: "Audit log", description: "Who did what to what; a chain that shows tampering" })
  ) {}
