import {
  type ReplayClaim,
  type ReplayKey,
  RequestReplayRepository,
  type ReplayState
} from "@devops-mcp/core/ports/RequestReplayRepository"
import { SealedText } from "@devops-mcp/core/secrets/SealedText"
import { Timestamp } from "@devops-mcp/domain/Fields"
import { DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { decodeRows, storable } from "../Rows.ts"
import { Tenancy } from "../Tenancy.ts"

const Row = Schema.Struct({
  fingerprint: Schema.String,
  leasedUntil: Schema.optionalKey(Timestamp),
  sealedAnswer: Schema.optionalKey(SealedText)
})

const at = DateTime.toDateUtc

const stateOf = (row: typeof Row.Type, fingerprint: string): ReplayState => {
  if (row.fingerprint !== fingerprint) return { _tag: "Other" }
  return row.leasedUntil === undefined
    ? { _tag: "Answered", sealedAnswer: row.sealedAnswer }
    : { _tag: "Running", leasedUntil: row.leasedUntil }
}

export const RequestReplayRepositoryLive = Layer.effect(
  RequestReplayRepository,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tenancy = yield* Tenancy
    const decode = decodeRows(Row)

    const run = <A, E>({ tenantId }: ReplayKey, method: string, effect: Effect.Effect<A, E>) =>
      tenancy.run(tenantId, `request_replays.${method}`, effect)

    const named = ({ key, owner }: ReplayKey) => sql`owner = ${storable(owner)} and key = ${storable(key)}`

    /** Only as long as the run has the claim. */
    const running = (claim: ReplayClaim) => sql`${named(claim)} and fence = ${claim.fence} and leased_until is not null`

    return RequestReplayRepository.of({
      claim: (claim, { expiresAt, fingerprint, leasedUntil, now }) =>
        run(
          claim,
          "claim",
          Effect.gen(function* () {
            const row = {
              tenantId: claim.tenantId,
              owner: storable(claim.owner),
              key: storable(claim.key),
              fingerprint,
              fence: claim.fence,
              leasedUntil: at(leasedUntil),
              expiresAt: at(expiresAt)
            }
            const claimed = yield* sql`
              insert into request_replays as known ${sql.insert(row)}
              on conflict (tenant_id, owner, key) do update set
                fingerprint = excluded.fingerprint, fence = excluded.fence, leased_until = excluded.leased_until,
                sealed_answer = null, expires_at = excluded.expires_at
              where known.expires_at <= ${at(now)}
                or (known.fingerprint = excluded.fingerprint and known.leased_until <= ${at(now)})
              returning key`
            if (claimed.length > 0) return { _tag: "Claimed" } as const
            // The conflict has locked the row, so it is still there.
            const [known] = yield* decode(
              yield* sql`
              select fingerprint, leased_until, sealed_answer from request_replays where ${named(claim)}`
            )
            return known === undefined
              ? yield* Effect.die(new Error("A row that was locked is gone"))
              : stateOf(known, fingerprint)
          })
        ),
      extend: (claim, leasedUntil) =>
        run(
          claim,
          "extend",
          Effect.map(
            sql`update request_replays set leased_until = ${at(leasedUntil)} where ${running(claim)} returning key`,
            (rows) => rows.length > 0
          )
        ),
      answer: (claim, sealedAnswer) =>
        run(
          claim,
          "answer",
          Effect.map(
            sql`
              update request_replays set leased_until = null, sealed_answer = ${sealedAnswer ?? null}
              where ${running(claim)} returning key`,
            (rows) => rows.length > 0
          )
        ),
      release: (claim) =>
        run(claim, "release", Effect.asVoid(sql`delete from request_replays where ${running(claim)}`)),
      sweep: (now) =>
        tenancy.system(
          "request_replays.sweep",
          Effect.map(
            sql`delete from request_replays where expires_at <= ${at(now)} returning expires_at`,
            (rows) => rows.length
          )
        )
    })
  })
)
