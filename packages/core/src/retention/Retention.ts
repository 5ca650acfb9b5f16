import { expiredKeyLifetime, idempotencyLifetime, payloadGrace, payloadRemovals } from "@devops-mcp/resilience/Policies"
import { Context, DateTime, type Duration, Effect, Layer } from "effect"
import { Change, Changes } from "../changes/Changes.ts"
import { ObjectStore } from "../ports/ObjectStore.ts"
import { type Expiring, RetentionRepository } from "../ports/RetentionRepository.ts"
import { payloadKeyOf } from "../webhooks/Payloads.ts"

/** Rows that one transaction removes. */
const batchSize = 1_000

/** Contexts that one transaction removes: each has items and passages. */
const contextBatch = 50

/** How long what came from outside is kept; whole months are dropped that ended so long ago. */
export interface Kept {
  readonly events: Duration.Duration
  readonly deliveries: Duration.Duration
}

/** What was removed. */
export interface Removed {
  readonly partitions: ReadonlyArray<string>
  readonly objects: number
  readonly contexts: number
  readonly rows: Readonly<Record<Expiring, number>>
}

/** Whose rows are all in months that have ended before the time is removed. */
const monthsBefore = (now: DateTime.Utc, kept: Duration.Duration) =>
  DateTime.startOf(DateTime.subtractDuration(now, kept), "month")

/**
 * Makes room: partitions for the months to come, and none for what is older than it is to be kept. It can be stopped and
 * run again at any moment and by several at once. A part that fails is logged and does not keep the others from theirs.
 */
export class Retention extends Context.Service<
  Retention,
  { readonly upkeep: (kept: Kept) => Effect.Effect<Removed> }
>()("@devops-mcp/core/retention/Retention") {
  static readonly layer = Layer.effect(
    Retention,
    Effect.gen(function* () {
      const repository = yield* RetentionRepository
      const objects = yield* ObjectStore
      const changes = yield* Changes

      const part = <A, E>(name: string, otherwise: A, effect: Effect.Effect<A, E>) =>
        Effect.catch(effect, (error) =>
          Effect.as(Effect.logWarning(`What is old could not be looked after: ${name}`, error), otherwise)
        )

      const removeContexts = Effect.fnUntraced(function* (now: DateTime.Utc) {
        const removed = yield* repository.removeContexts(now, contextBatch)
        const tenants = new Set(removed.map(({ tenantId }) => tenantId))
        yield* Effect.forEach(tenants, (tenantId) => changes.announce(Change.cases.ResourcesChanged.make({ tenantId })))
        return removed.length
      })

      /** Only an object that is gone is forgotten; the others are found again the next time. */
      const removeObjects = Effect.fnUntraced(function* (before: DateTime.Utc) {
        const strays = yield* repository.strayObjects(before, batchSize)
        const [gone, failures] = yield* Effect.partition(
          strays,
          ({ deliveryId, tenantId }) => Effect.as(objects.delete(payloadKeyOf(tenantId, deliveryId)), deliveryId),
          { concurrency: payloadRemovals }
        )
        if (gone.length > 0) yield* repository.forgetObjects(gone)
        return failures[0] === undefined ? gone.length : yield* failures[0]
      })

      /** Batch after batch of what answers how many it was; what was done before a failure counts. */
      const drain = <E>(name: string, size: number, batch: Effect.Effect<number, E>) => {
        let sum = 0
        const counted = Effect.tap(batch, (removed) => Effect.sync(() => (sum += removed)))
        return Effect.map(part(name, 0, Effect.repeat(counted, { while: (removed) => removed >= size })), () => sum)
      }

      const remove = (kind: Expiring, before: DateTime.Utc) =>
        drain(kind, batchSize, repository.remove(kind, before, batchSize))

      const upkeep = Effect.fn("Retention.upkeep")(function* (kept: Kept) {
        const now = yield* DateTime.now
        const [events, deliveries] = [monthsBefore(now, kept.events), monthsBefore(now, kept.deliveries)]
        yield* part("months of events", undefined, repository.makePartitions("events", now))
        yield* part("months of deliveries", undefined, repository.makePartitions("deliveries", now))
        // A search never finds what there is no event of.
        const eventPassages = yield* remove("eventPassages", events)
        const partitions = [
          ...(yield* part("old events", [], repository.dropPartitions("events", events))),
          ...(yield* part("old deliveries", [], repository.dropPartitions("deliveries", deliveries)))
        ]
        return {
          partitions,
          objects: yield* drain("objects", batchSize, removeObjects(DateTime.subtractDuration(now, payloadGrace))),
          contexts: yield* drain("contexts", contextBatch, removeContexts(now)),
          rows: {
            eventPassages,
            deliveryKeys: yield* remove("deliveryKeys", deliveries),
            idempotency: yield* remove("idempotency", DateTime.subtractDuration(now, idempotencyLifetime)),
            apiKeys: yield* remove("apiKeys", DateTime.subtractDuration(now, expiredKeyLifetime))
          }
        }
      })

      return Retention.of({ upkeep })
    })
  )
}
