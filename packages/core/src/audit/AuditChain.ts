import type { AuditBreak, AuditEntry, AuditLine, AuditLink } from "@devops-mcp/domain/Audit"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect, Option, Redacted, Schema } from "effect"
import { Digest, Mac } from "effect/crypto"
import { Hex } from "effect/encoding"
import { SigningKey } from "../access/SigningKey.ts"
import type { AppendLinks, AuditAnchor, AuditHead, Reseal, SealAnchor } from "../ports/AuditRepository.ts"

/** Names the way of hashing in every hash, so that another way can never be taken for it. */
export const auditFormat = "devops-mcp/audit/1"

/** Where every chain begins. */
export const genesis: AuditLink = { seq: 0, hash: "0".repeat(64) }

/** The head of a tenant that has no row yet. */
export const emptyHead: AuditHead = { ...genesis, seal: "", recordedAt: "1970-01-01T00:00:00.000Z", unsealedSeq: 0 }

const encoder = new TextEncoder()

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** What is hashed of a row: one JSON array, its members in this order for ever. Documented in docs/audit.md. */
const contentOf = (line: Omit<AuditLine, "hash">): string =>
  encodeJson([
    auditFormat,
    line.tenantId,
    line.seq,
    line.prevHash,
    line.id,
    line.occurredAt,
    line.recordedAt,
    line.actor,
    line.credential,
    line.action,
    line.target ?? null,
    line.outcome,
    line.changes,
    line.requestId,
    line.address ?? null,
    line.durationMs
  ])

/** The hash that a row has when nobody has touched it. */
export const makeHashOf = Effect.map(
  Digest.Digest,
  (digest) =>
    (line: Omit<AuditLine, "hash">): Effect.Effect<string> =>
      digest.digestHex(Digest.sha256, encoder.encode(contentOf(line)))
)

/** Up to where a chain was found in order; `id` is that of the row there, if it was read. */
export interface CheckedLink extends AuditLink {
  readonly id?: string
}

/** Tells what is wrong with the row that comes after a good one, if anything. Needs no secret. */
export const makeCheck = Effect.map(
  makeHashOf,
  (hashOf) =>
    (previous: CheckedLink, line: AuditLine): Effect.Effect<AuditBreak | undefined> =>
      Effect.map(hashOf(line), (hash): AuditBreak | undefined => {
        const { id, seq } = line
        if (seq > previous.seq + 1) return { seq: previous.seq + 1, reason: "missing" }
        if (seq <= previous.seq) return { id, seq, reason: "inserted" }
        if (hash !== line.hash) return { id, seq, reason: "changed" }
        if (line.prevHash === previous.hash) return undefined
        // The row is itself, so the one before it is not what it was when this one was written.
        return previous.id === undefined
          ? { id, seq, reason: "unlinked" }
          : { id: previous.id, seq: previous.seq, reason: "changed" }
      })
)

/** What is wrong with the end of a chain that should be at `end`. */
export const checkEnd = (last: CheckedLink, end: AuditLink): AuditBreak | undefined => {
  if (last.seq < end.seq) return { seq: last.seq + 1, reason: "missing" }
  if (last.hash === end.hash) return undefined
  return { ...(last.id === undefined ? {} : { id: last.id }), seq: last.seq, reason: "changed" }
}

type SealedContent = ReadonlyArray<string | number>

const headContent = (
  tenantId: TenantId,
  { hash, recordedAt, seq, unsealedSeq }: Omit<AuditHead, "seal">
): SealedContent => ["head", tenantId, seq, hash, recordedAt, unsealedSeq]

const anchorContent = (tenantId: TenantId, { hash, seq }: AuditLink): SealedContent => ["anchor", tenantId, seq, hash]

/**
 * Chains by SHA-256 and seals by HMAC with the installation's key: everybody can check a chain, and who has the database
 * alone cannot make another one that passes for ours.
 */
export const makeAuditChain = Effect.gen(function* () {
  const mac = yield* Mac.Mac
  const hashOf = yield* makeHashOf
  const [newest, ...previous] = yield* Effect.flatMap(
    SigningKey.use((signing) => signing.deriveAll("audit")),
    Effect.forEach((secret) => Effect.orDie(Mac.key(Mac.hmacSha256, Redacted.value(secret))))
  )

  const sealWith = (key: typeof newest, content: SealedContent) =>
    mac.sign(key, encoder.encode(encodeJson(content))).pipe(Effect.orDie, Effect.map(Hex.encode))
  const hasSeal = Effect.fnUntraced(function* (content: SealedContent, seal: string) {
    for (const key of [newest, ...previous]) if ((yield* sealWith(key, content)) === seal) return true
    return false
  })
  const sealAnchor: SealAnchor = (tenantId, last) => sealWith(newest, anchorContent(tenantId, last))

  const isSealed = (tenantId: TenantId, head: AuditHead) =>
    head.seq === 0 ? Effect.succeed(head.hash === genesis.hash) : hasSeal(headContent(tenantId, head), head.seal)

  const isAnchored = (tenantId: TenantId, anchor: AuditAnchor) =>
    anchor.seq === 0
      ? Effect.succeed(anchor.hash === genesis.hash)
      : hasSeal(anchorContent(tenantId, anchor), anchor.seal)

  const links: AppendLinks = Effect.fnUntraced(function* (tenantId, head, entries) {
    let { hash, recordedAt, seq, unsealedSeq } = head
    if (unsealedSeq === 0 && !(yield* isSealed(tenantId, head))) {
      // Sealed anew it would pass for ours: the place stays on record.
      unsealedSeq = Math.max(head.seq, 1)
      yield* Effect.logError("The audit chain does not end with what we wrote", { tenantId, seq })
    }
    const now = DateTime.formatIso(yield* DateTime.now)
    if (now > recordedAt) recordedAt = now
    const lines: Array<AuditLine> = []
    for (const entry of entries) {
      const line = lineOf(tenantId, entry, ++seq, recordedAt, hash)
      hash = yield* hashOf(line)
      lines.push({ ...line, hash })
    }
    const next = { seq, hash, recordedAt, unsealedSeq }
    return { lines, head: { ...next, seal: yield* sealWith(newest, headContent(tenantId, next)) } }
  })

  const hasNewest = (content: SealedContent, seal: string) =>
    Effect.map(sealWith(newest, content), (own) => own === seal)

  /** Of a chain whose ends are ours, and sealed with a key of before; what is not ours is never made to look so. */
  const reseal: Reseal = Effect.fnUntraced(function* (tenantId, head, anchor) {
    const contents = { head: headContent(tenantId, head), anchor: anchorContent(tenantId, anchor) }
    const isNew =
      (head.seq === 0 || (yield* hasNewest(contents.head, head.seal))) &&
      (anchor.seq === 0 || (yield* hasNewest(contents.anchor, anchor.seal)))
    if (isNew || !(yield* isSealed(tenantId, head)) || !(yield* isAnchored(tenantId, anchor))) return Option.none()
    return Option.some({
      head: head.seq === 0 ? head.seal : yield* sealWith(newest, contents.head),
      anchor: anchor.seq === 0 ? anchor.seal : yield* sealWith(newest, contents.anchor)
    })
  })

  return { links, sealAnchor, isSealed, isAnchored, reseal }
})

const lineOf = (
  tenantId: TenantId,
  { occurredAt, ...entry }: AuditEntry,
  seq: number,
  recordedAt: string,
  prevHash: string
): Omit<AuditLine, "hash"> => ({
  ...entry,
  occurredAt: DateTime.formatIso(occurredAt),
  tenantId,
  seq,
  recordedAt,
  prevHash
})
