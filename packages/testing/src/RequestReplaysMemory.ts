import {
  type ReplayClaim,
  type ReplayKey,
  RequestReplayRepository
} from "@devops-mcp/core/ports/RequestReplayRepository"
import type { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { Context, DateTime, Effect, Layer } from "effect"

interface Row {
  readonly fingerprint: string
  readonly fence: string
  readonly leasedUntil: DateTime.Utc | undefined
  readonly sealedAnswer: SealedText | undefined
  readonly expiresAt: DateTime.Utc
}

/** What is kept, by tenant, owner and key. */
export class ReplayRows extends Context.Service<ReplayRows, Map<string, Row>>()(
  "@devops-mcp/testing/RequestReplaysMemory/ReplayRows"
) {}

const nameOf = ({ key, owner, tenantId }: ReplayKey) => [tenantId, owner, key].join(" ")

/** The port in memory, for tests of what stands on it; the conformance suite holds it to what the database does. */
export const layer = Layer.effect(
  RequestReplayRepository,
  Effect.map(ReplayRows, (rows) => {
    const own = (claim: ReplayClaim) => {
      const row = rows.get(nameOf(claim))
      return row?.fence === claim.fence && row.leasedUntil !== undefined ? row : undefined
    }
    const change = (claim: ReplayClaim, to: Partial<Row>) =>
      Effect.sync(() => {
        const row = own(claim)
        if (row !== undefined) rows.set(nameOf(claim), { ...row, ...to })
        return row !== undefined
      })
    return RequestReplayRepository.of({
      claim: (claim, { expiresAt, fingerprint, leasedUntil, now }) =>
        Effect.sync(() => {
          const row = rows.get(nameOf(claim))
          if (row !== undefined && DateTime.isGreaterThan(row.expiresAt, now)) {
            if (row.fingerprint !== fingerprint) return { _tag: "Other" }
            if (row.leasedUntil === undefined) return { _tag: "Answered", sealedAnswer: row.sealedAnswer }
            if (DateTime.isGreaterThan(row.leasedUntil, now)) return { _tag: "Running", leasedUntil: row.leasedUntil }
          }
          rows.set(nameOf(claim), { fingerprint, fence: claim.fence, leasedUntil, sealedAnswer: undefined, expiresAt })
          return { _tag: "Claimed" }
        }),
      extend: (claim, leasedUntil) => change(claim, { leasedUntil }),
      answer: (claim, sealedAnswer) => change(claim, { leasedUntil: undefined, sealedAnswer }),
      release: (claim) =>
        Effect.sync(() => {
          if (own(claim) !== undefined) rows.delete(nameOf(claim))
        }),
      sweep: (now) =>
        Effect.sync(() => {
          const expired = [...rows].filter(([, row]) => DateTime.isLessThanOrEqualTo(row.expiresAt, now))
          for (const [name] of expired) rows.delete(name)
          return expired.length
        })
    })
  })
).pipe(Layer.provideMerge(Layer.sync(ReplayRows, () => new Map())))
