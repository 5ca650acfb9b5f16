import type { AuditBreak, AuditFilter, AuditLine, AuditRecord, AuditVerdict } from "@devops-mcp/domain/Audit"
import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Context, DateTime, type Duration, Effect, Layer, Option, Stream } from "effect"
import { type AuditChain, type AuditPosition, AuditRepository, type AuditSpan } from "../ports/AuditRepository.ts"
import type { CursorError } from "../ports/Cursor.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { type CheckedLink, checkEnd, makeAuditChain, makeCheck } from "./AuditChain.ts"
import { type AuditExportLine, headerOf, trailerOf } from "./AuditExport.ts"

/** Rows that are read at once; so many are in memory while a chain is checked or exported. */
const pageSize = 1_000

const beginning: AuditPosition = { seq: -1, id: "00000000-0000-0000-0000-000000000000" }

const positionOf = ({ id, seq }: AuditLine): AuditPosition => ({ seq, id })

/** Reads what `Audit` has written: pages of it, the whole of it to keep elsewhere, and whether anybody touched it. */
export class AuditTrail extends Context.Service<
  AuditTrail,
  {
    readonly list: (
      tenantId: TenantId,
      request: PageRequest & AuditFilter
    ) => Effect.Effect<Page<AuditRecord>, CursorError | StoreError>
    /** Reads the whole chain, a page at a time, up to where it ended when the check began. */
    readonly verify: (tenantId: TenantId) => Effect.Effect<AuditVerdict, StoreError>
    /** One piece of the chain with what it takes to check it offline. */
    readonly export: (tenantId: TenantId, span: AuditSpan) => Stream.Stream<AuditExportLine, StoreError>
    /** Makes partitions ahead and drops those whose rows are all older than this; answers what it dropped. */
    readonly upkeep: (retention: Duration.Duration) => Effect.Effect<ReadonlyArray<string>, StoreError>
  }
>()("@devops-mcp/core/audit/AuditTrail") {
  static readonly layer = Layer.effect(
    AuditTrail,
    Effect.gen(function* () {
      const repository = yield* AuditRepository
      const { isAnchored, isSealed, sealAnchor } = yield* makeAuditChain
      const check = yield* makeCheck

      const pages = (tenantId: TenantId, span?: AuditSpan) =>
        Stream.paginate(beginning, (after) =>
          Effect.map(repository.lines(tenantId, after, pageSize, span), (lines) => {
            const last = lines.at(-1)
            const next = last === undefined || lines.length < pageSize ? Option.none() : Option.some(positionOf(last))
            return [lines, next] as const
          })
        )

      /** Checks the rows between anchor and head, then the seals of both. */
      const checkChain = Effect.fnUntraced(function* (tenantId: TenantId, { anchor, head, stray }: AuditChain) {
        let last: CheckedLink = { seq: anchor.seq, hash: anchor.hash }
        let checked = 0
        const verdict = (firstBroken: AuditBreak): AuditVerdict => ({ valid: false, checked, firstBroken })
        const broken = yield* pages(tenantId).pipe(
          // What came after the head was read is a later check's business.
          Stream.takeWhile(({ seq }) => seq <= head.seq),
          Stream.mapEffect((line) =>
            Effect.map(check(last, line), (found) => {
              checked++
              if (found === undefined) last = { seq: line.seq, hash: line.hash, id: line.id }
              return found
            })
          ),
          Stream.filter((found) => found !== undefined),
          Stream.runHead
        )
        if (Option.isSome(broken)) return verdict(broken.value)
        const end = checkEnd(last, head)
        if (end !== undefined) return verdict(end)
        if (stray !== undefined) return verdict({ ...stray, reason: "inserted" })
        if (!(yield* isAnchored(tenantId, anchor))) return verdict({ seq: anchor.seq, reason: "unsealed" })
        if (head.unsealedSeq > 0) return verdict({ seq: head.unsealedSeq, reason: "unsealed" })
        if (!(yield* isSealed(tenantId, head))) return verdict({ seq: head.seq, reason: "unsealed" })
        return { valid: true, checked } satisfies AuditVerdict
      })

      const verify = Effect.fn("AuditTrail.verify")(function* (tenantId: TenantId) {
        const chain = yield* repository.chain(tenantId)
        const verdict = yield* checkChain(tenantId, chain)
        if (verdict.valid) return verdict
        const later = yield* repository.chain(tenantId)
        // Retention took the oldest rows while they were read.
        return later.anchor.seq === chain.anchor.seq ? verdict : yield* checkChain(tenantId, later)
      })

      const exported = (tenantId: TenantId, span: AuditSpan) =>
        Stream.unwrap(
          Effect.map(repository.chain(tenantId), ({ anchor, head }) => {
            let count = 0
            let last: AuditLine | undefined
            const rows = pages(tenantId, span).pipe(
              Stream.takeWhile(({ seq }) => seq <= head.seq),
              Stream.tap((line) =>
                Effect.sync(() => {
                  count++
                  last = line
                })
              )
            )
            return Stream.fromEffect(Effect.map(DateTime.now, (now) => headerOf(tenantId, anchor, span, now))).pipe(
              Stream.concat(rows),
              // Only what was exported up to now ends where the chain does.
              Stream.concat(Stream.sync(() => trailerOf(count, last, span.until === undefined ? head : undefined)))
            )
          })
        )

      return AuditTrail.of({
        list: Effect.fn("AuditTrail.list")((tenantId, request) => repository.list(tenantId, request)),
        verify,
        export: exported,
        upkeep: Effect.fn("AuditTrail.upkeep")(function* (retention) {
          const now = yield* DateTime.now
          return yield* repository.upkeep(now, DateTime.subtractDuration(now, retention), sealAnchor)
        })
      })
    })
  )
}
