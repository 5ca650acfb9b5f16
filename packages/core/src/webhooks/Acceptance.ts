import { Job } from "@devops-mcp/contract/Jobs"
import type { DeliveryId, TenantId } from "@devops-mcp/domain/Ids"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { acceptanceTimeout, acceptanceTransactions, deliveriesTogether } from "@devops-mcp/resilience/Policies"
import { Array, Cache, Cause, Context, Effect, Exit, Option, Request, RequestResolver, Semaphore, Tracer } from "effect"
import { JobQueue, type OfferedJob } from "../ports/JobQueue.ts"
import { StoreError } from "../ports/StoreError.ts"
import { WebhookRepository } from "../ports/WebhookRepository.ts"

export interface Accepted {
  /** Of the delivery that was first, which this one may repeat. */
  readonly deliveryId: DeliveryId
  readonly status: "accepted" | "duplicate"
}

class Accept extends Request.Class<
  { readonly delivery: Delivery; readonly group: string | undefined },
  Accepted,
  StoreError
> {}

const mostTenants = 10_000

type Entry = Request.Entry<Accept>
type Entries = Array.NonEmptyArray<Entry>

const tooSlow = new StoreError({ operation: "deliveries.accept", retryable: true, cause: new Error("Timed out") })

/** Bounds a wait. Who is told so sends again, and what was written after all is then known. */
const inTime = Effect.timeoutOrElse({ duration: acceptanceTimeout, orElse: () => Effect.fail(tooSlow) })

/** Whether each by itself would meet the same: nothing is there to write to. */
const concernsAll = (cause: Cause.Cause<StoreError>): boolean =>
  Option.match(Cause.findErrorOption(cause), { onNone: () => false, onSome: ({ retryable }) => retryable })

/** Its job is part of the trace of the request that it came with. */
const jobOf = (tenantId: TenantId, { context, request: { delivery, group } }: Entry): OfferedJob => {
  const deliveryId = delivery.id
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  return {
    job: Job.cases.IngestDelivery.make({ tenantId, deliveryId }),
    id: `delivery:${deliveryId}`,
    ...(group === undefined ? {} : { group }),
    ...(span?._tag === "Span" ? { cause: span } : {})
  }
}

/**
 * Writes deliveries and their jobs, both or none of each. A transaction costs most of the time that a delivery takes, so
 * those of a tenant that arrive while others of its are being written share the next one; alone, a delivery waits for nobody.
 * One that cannot be written, for its webhook is gone, does not keep others from it.
 */
export const makeAcceptance = Effect.gen(function* () {
  const repository = yield* WebhookRepository
  const jobs = yield* JobQueue
  const places = yield* Semaphore.make(acceptanceTransactions)

  const write = Effect.fnUntraced(function* (tenantId: TenantId, entries: Entries) {
    const deliveries = entries.map(({ request }) => request.delivery)
    const prepared = yield* jobs.prepare(entries.map((entry) => jobOf(tenantId, entry)))
    const answers = yield* repository.accept(tenantId, deliveries, prepared)
    const fresh = prepared.rows.filter((_row, index) => answers[index]?.duplicate === false)
    return { answers: Array.zip(entries, answers), wake: fresh.length === 0 ? Effect.void : prepared.written(fresh) }
  })

  const together: (tenantId: TenantId, entries: Entries) => Effect.Effect<void> = Effect.fnUntraced(
    function* (tenantId, entries) {
      const written = yield* Effect.exit(inTime(write(tenantId, entries)))
      if (Exit.isFailure(written) && entries.length > 1 && !concernsAll(written.cause)) {
        return yield* Effect.forEach(entries, (entry) => together(tenantId, [entry]), { discard: true })
      }
      if (Exit.isFailure(written)) {
        for (const entry of entries) entry.completeUnsafe(Exit.failCause(written.cause))
        return
      }
      for (const [entry, { deliveryId, duplicate }] of written.value.answers) {
        entry.completeUnsafe(Exit.succeed({ deliveryId, status: duplicate ? "duplicate" : "accepted" }))
      }
      yield* written.value.wake
    }
  )

  /** Of a tenant: what comes while one transaction runs is collected for the next one. */
  const makeResolver = (tenantId: TenantId) => {
    const turn = Semaphore.makeUnsafe(1)
    return RequestResolver.make<Accept>((entries) =>
      turn.withPermit(
        Effect.forEach(
          Array.chunksOf(entries, deliveriesTogether),
          (chunk) => places.withPermit(together(tenantId, chunk)),
          { discard: true }
        )
      )
    ).pipe(RequestResolver.setDelayEffect(turn.withPermit(Effect.void)))
  }

  // Who is forgotten while a transaction of theirs runs has two at once for a moment.
  const resolvers = yield* Cache.make({
    capacity: mostTenants,
    lookup: (tenantId: TenantId) => Effect.sync(() => makeResolver(tenantId))
  })

  return (tenantId: TenantId, delivery: Delivery, group: string | undefined): Effect.Effect<Accepted, StoreError> =>
    Effect.request(new Accept({ delivery, group }), Cache.get(resolvers, tenantId)).pipe(inTime)
})
