import { type AuditBreak, type AuditLine, AuditLink, AuditRecord, type AuditVerdict } from "@devops-mcp/domain/Audit"
import { TenantId } from "@devops-mcp/domain/Ids"
import { Timestamp } from "@devops-mcp/domain/Fields"
import { DateTime, Effect, Schema, Stream } from "effect"
import type { AuditSpan } from "../ports/AuditRepository.ts"
import { auditFormat, type CheckedLink, checkEnd, makeCheck } from "./AuditChain.ts"

/** The first line of an export. `after` is where the chain begins, when it is exported from its beginning. */
const Header = Schema.Struct({
  format: Schema.Literal(auditFormat),
  tenantId: TenantId,
  exportedAt: Timestamp,
  after: Schema.optionalKey(AuditLink),
  since: Schema.optionalKey(Timestamp),
  until: Schema.optionalKey(Timestamp)
})

/** The last line: without it the export is not whole. `head` is where the chain ended when it was all exported. */
const Trailer = Schema.Struct({
  rows: Schema.Int,
  last: Schema.NullOr(AuditLink),
  head: Schema.optionalKey(AuditLink)
})

/** A line of an export as it is in JSON. */
export type AuditExportLine = typeof Header.Encoded | AuditLine | typeof Trailer.Encoded

const linkOf = ({ hash, seq }: AuditLink): AuditLink => ({ seq, hash })

export const headerOf = (
  tenantId: TenantId,
  anchor: AuditLink,
  { since, until }: AuditSpan,
  now: DateTime.Utc
): AuditExportLine => ({
  format: auditFormat,
  tenantId,
  exportedAt: DateTime.formatIso(now),
  ...(since === undefined ? { after: linkOf(anchor) } : { since: DateTime.formatIso(since) }),
  ...(until === undefined ? {} : { until: DateTime.formatIso(until) })
})

export const trailerOf = (rows: number, last: AuditLink | undefined, head: AuditLink | undefined): AuditExportLine => ({
  rows,
  last: last === undefined ? null : linkOf(last),
  ...(head === undefined ? {} : { head: linkOf(head) })
})

const Line = Schema.fromJsonString(
  Schema.Union([Schema.toEncoded(AuditRecord), Schema.toEncoded(Trailer), Schema.toEncoded(Header)])
)

const decodeLine = Schema.decodeUnknownEffect(Line)

/** A file that is no export, or not a whole one. */
export class NotAnExport extends Schema.TaggedError<NotAnExport>()("@devops-mcp/core/audit/AuditExport/NotAnExport", {
  line: Schema.Int,
  detail: Schema.String
}) {
  override get message() {
    return `Line ${this.line} ${this.detail}`
  }
}

/** What checking an export has found; `last` is the place to compare with what the server says of itself. */
export interface ExportVerdict extends AuditVerdict {
  readonly last: AuditLink | undefined
}

/**
 * Checks an export by itself, a line at a time: every row, that none is missing between the first and the last, and that
 * the file is whole. That it is the server's own is told by comparing `last` with the server.
 */
export const verifyExport = Effect.fnUntraced(function* <E, R>(
  lines: Stream.Stream<string, E, R>
): Effect.fn.Return<ExportVerdict, E | NotAnExport, R | Effect.Services<typeof makeCheck>> {
  const check = yield* makeCheck
  let number = 0
  let checked = 0
  let tenantId: string | undefined
  let last: CheckedLink | undefined
  let trailer: typeof Trailer.Encoded | undefined
  const bad = (detail: string) => new NotAnExport({ line: number, detail })

  const next = Effect.fnUntraced(function* (text: string): Effect.fn.Return<AuditBreak | undefined, NotAnExport> {
    number++
    const line = yield* Effect.mapError(decodeLine(text), () => bad("is not a line of an audit export"))
    if (trailer !== undefined) return yield* bad("comes after the end of the export")
    if ("format" in line) {
      if (tenantId !== undefined) return yield* bad("is a second header")
      tenantId = line.tenantId
      last = line.after
      return undefined
    }
    if (tenantId === undefined) return yield* bad("is not the header of an audit export")
    if (!("prevHash" in line)) {
      trailer = line
      return undefined
    }
    checked++
    if (line.tenantId !== tenantId) return { id: line.id, seq: line.seq, reason: "inserted" }
    // A chain that was exported in part begins wherever its first row says.
    const found = yield* check(last ?? { seq: line.seq - 1, hash: line.prevHash }, line)
    last = { seq: line.seq, hash: line.hash, id: line.id }
    return found
  })

  const verdict = (firstBroken: AuditBreak | undefined): ExportVerdict => ({
    valid: firstBroken === undefined,
    checked,
    ...(firstBroken === undefined ? {} : { firstBroken }),
    last: last === undefined || last.seq === 0 ? undefined : linkOf(last)
  })

  const broken = yield* lines.pipe(
    Stream.mapEffect(next),
    Stream.filter((found) => found !== undefined),
    Stream.runHead
  )
  if (broken._tag === "Some") return verdict(broken.value)
  if (trailer === undefined)
    return yield* new NotAnExport({ line: number + 1, detail: "is missing: the file is cut off" })
  for (const end of [trailer.last, trailer.head]) {
    const found = end && end.seq > 0 ? checkEnd(last ?? { seq: end.seq - 1, hash: "" }, end) : undefined
    if (found !== undefined) return verdict(found)
  }
  // Nothing before the first row tells that there was one: the count does.
  if (last !== undefined && checked < trailer.rows) {
    return verdict({ seq: last.seq - trailer.rows + 1, reason: "missing" })
  }
  return verdict(undefined)
})
