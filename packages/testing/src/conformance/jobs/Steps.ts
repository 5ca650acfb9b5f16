import { Job, type QueueName } from "@devops-mcp/contract/Jobs"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import type { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { type JobMetadata, JobQueue } from "@devops-mcp/core/ports/JobQueue"
import type { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import type { Transactions } from "@devops-mcp/core/ports/Transactions"
import type { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { DocumentId, type TenantId } from "@devops-mcp/domain/Ids"
import { assert } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { freshId, freshTenant } from "../../Fixtures.ts"

/** What a queue's layer has beside the queue. */
export type Needed = JobQueue | Transactions | TenantRepository | DeadLetterRepository | WebhookRepository

export const newJob = (tenantId: TenantId) => {
  const documentId = freshId(DocumentId)
  return { tenantId, job: Job.cases.IngestDocument.make({ tenantId, documentId }), id: `document:${documentId}` }
}

export type Fresh = ReturnType<typeof newJob>

/** A job of a tenant of its own, offered under its own id. */
export const fresh = Effect.map(freshTenant, newJob)

export const offeredBy = Effect.fnUntraced(function* (tenantId: TenantId) {
  const made = newJob(tenantId)
  yield* (yield* JobQueue).offer(made.job, { id: made.id })
  return made
})

export const offered = Effect.flatMap(freshTenant, offeredBy)

export const queueName = "documents"

/** Takes one job with a handler that ends in the given way; answers what the handler was given. */
export const takeWith = Effect.fnUntraced(function* <E>(outcome: Effect.Effect<void, E>) {
  const given = yield* Deferred.make<{ readonly job: Job; readonly metadata: JobMetadata }>()
  yield* (yield* JobQueue).take(queueName, {
    run: (job, metadata) => Effect.andThen(Deferred.succeed(given, { job, metadata }), outcome)
  })
  return yield* Deferred.await(given)
})

export const takeOne = takeWith(Effect.void)

export const failing = takeWith(Effect.fail("this attempt fails"))

export const statsNow = Effect.gen(function* () {
  const stats = (yield* (yield* JobQueue).stats).find(({ name }) => name === queueName)
  if (stats === undefined) throw new Error("The queue has no figures")
  return stats
})

export const assertEmpty = Effect.gen(function* () {
  assert.deepStrictEqual(yield* statsNow, { name: queueName, depth: 0, inFlight: 0, oldestAgeSeconds: 0 })
})

export const lettersOf = Effect.fnUntraced(function* (tenantId: TenantId, limit = 10) {
  return (yield* (yield* DeadLetters).list(tenantId, queueName, { limit })).items
})

/** Makes a job a dead letter. */
export const givenUp = (attempts: number, tenantId: TenantId) =>
  Effect.gen(function* () {
    const made = yield* offeredBy(tenantId)
    yield* Effect.replicateEffect(failing, attempts, { discard: true })
    return made
  })

export interface JobQueuePromises<R> {
  readonly attempts: number
  readonly keepsOrder: boolean
  /** Leaves the queue's only job as a worker does that takes it and dies. */
  readonly workerDies: (queue: QueueName) => Effect.Effect<unknown, unknown, R>
}
