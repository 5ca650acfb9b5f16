import type { TenantId } from "@devops-mcp/domain/Ids"
import { Context, Effect, Layer, Option, Stream } from "effect"
import { makeAuditChain } from "../audit/AuditChain.ts"
import { AuditRepository } from "../ports/AuditRepository.ts"
import { SealedValues, type SealedColumn } from "../ports/SealedValues.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { TenantRepository } from "../ports/TenantRepository.ts"
import { Transactions } from "../ports/Transactions.ts"
import { WebhookRepository } from "../ports/WebhookRepository.ts"
import { webhookSecret } from "./Purposes.ts"
import { Secrets } from "./Secrets.ts"

/** Rows that one transaction changes. */
const batchSize = 50

/** Secrets by what became of them. */
export interface RotationCounts {
  /** Under the newest key now, and under another one before. */
  readonly renewed: number
  /** Plain before, as versions without sealing stored them. */
  readonly sealed: number
  /** Changed by somebody else meanwhile, and so with the newest key. */
  readonly changed: number
  /** Audit chains whose ends are sealed with the newest key now, and were with another one before. */
  readonly chains: number
  /** Sealed with a key that is not configured, or not genuine: left as they are. */
  readonly unreadable: number
}

const nothing: RotationCounts = { renewed: 0, sealed: 0, changed: 0, chains: 0, unreadable: 0 }

const sum = (a: RotationCounts, b: RotationCounts): RotationCounts => ({
  renewed: a.renewed + b.renewed,
  sealed: a.sealed + b.sealed,
  changed: a.changed + b.changed,
  chains: a.chains + b.chains,
  unreadable: a.unreadable + b.unreadable
})

/**
 * Brings every stored secret under the newest key, and the seals of the audit chains. It passes over what has it already, so it can be stopped and run
 * again, by several at once, and while programs run: a value that somebody changed meanwhile stays as they left it.
 */
export class SecretRotation extends Context.Service<
  SecretRotation,
  { readonly run: Effect.Effect<RotationCounts, StoreError> }
>()("@devops-mcp/core/secrets/SecretRotation") {
  static readonly layer = Layer.effect(
    SecretRotation,
    Effect.gen(function* () {
      const audit = yield* AuditRepository
      const { reseal } = yield* makeAuditChain
      const secrets = yield* Secrets
      const values = yield* SealedValues
      const tenants = yield* TenantRepository
      const transactions = yield* Transactions
      const webhooks = yield* WebhookRepository

      const tenantIds = Stream.paginate(undefined, (cursor: string | undefined) =>
        tenants.list({ limit: 200, ...(cursor === undefined ? {} : { cursor }) }).pipe(
          // The cursor is the one that this list has just given.
          Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", Effect.die),
          Effect.map(({ items, nextCursor }) => [items.map(({ id }) => id), Option.fromNullOr(nextCursor)] as const)
        )
      )

      const renewBatch = Effect.fnUntraced(function* (
        tenantId: TenantId,
        column: SealedColumn,
        after: string | undefined
      ) {
        const { newestPrefix } = secrets
        const batch = yield* values.outdated(tenantId, column, { newestPrefix, after, limit: batchSize })
        const [read, unread] = yield* Effect.partition(batch, (value) =>
          Effect.map(secrets.renew(value.sealed), (renewed) => ({ ...value, renewed })).pipe(
            Effect.tapError((error) =>
              Effect.logWarning(`${column.table}.${column.column} of ${value.id}: ${error.message}`)
            )
          )
        )
        const renewed = yield* values.replace(tenantId, column, read)
        const counts = { ...nothing, renewed, changed: read.length - renewed, unreadable: unread.length }
        const last = batch.length < batchSize ? undefined : batch.at(-1)?.id
        return [[counts], Option.fromUndefinedOr(last)] as const
      })

      const renew = (tenantId: TenantId, column: SealedColumn) =>
        Stream.paginate(undefined, (after: string | undefined) =>
          transactions.run(tenantId, renewBatch(tenantId, column, after))
        )

      const sealBatch = Effect.fnUntraced(function* (tenantId: TenantId) {
        const batch = yield* webhooks.plainSecrets(tenantId, batchSize)
        const outcomes = yield* Effect.forEach(
          batch,
          Effect.fnUntraced(function* ({ id, plain }) {
            const sealed = yield* secrets.seal(tenantId, webhookSecret(id), plain)
            return yield* webhooks.sealSecret(tenantId, id, sealed)
          })
        )
        const sealed = outcomes.filter(Boolean).length
        // What is sealed is no more among them, so the next batch is asked for in the same way.
        return [
          [{ ...nothing, sealed, changed: batch.length - sealed }],
          batch.length < batchSize ? Option.none() : Option.some(undefined)
        ] as const
      })

      const seal = (tenantId: TenantId) =>
        Stream.paginate(undefined, () => transactions.run(tenantId, sealBatch(tenantId)))

      const chain = (tenantId: TenantId) =>
        Stream.fromEffect(
          Effect.map(audit.reseal(tenantId, reseal), (isSealed) => ({ ...nothing, chains: isSealed ? 1 : 0 }))
        )

      const run = Stream.runFold(
        Stream.flatMap(tenantIds, (tenantId) =>
          seal(tenantId).pipe(
            Stream.concat(Stream.flatMap(Stream.fromIterable(values.columns), (column) => renew(tenantId, column))),
            Stream.concat(chain(tenantId))
          )
        ),
        () => nothing,
        sum
      ).pipe(Effect.withSpan("SecretRotation.run"))

      return SecretRotation.of({ run })
    })
  )
}
