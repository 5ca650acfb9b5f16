import type { QueueName } from "@devops-mcp/contract/Jobs"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { Effect } from "effect"

const notOurs = Effect.die(new Error("not a job of the ingest"))

/** Runs the next job of a queue, as often as is said. */
export const work = Effect.fnUntraced(function* (name: QueueName, runs = 1) {
  const [queue, ingest] = [yield* JobQueue, yield* Ingest]
  yield* queue.take(name, {
    run: (job, metadata) =>
      job._tag === "RunTask" ? notOurs : Effect.replicateEffect(ingest.run(job, metadata), runs, { discard: true }),
    givenUp: (job) => (job._tag === "RunTask" ? notOurs : ingest.givenUp(job))
  })
})

/** A queue's figures: the whole installation's work, and the tenant's dead letters. */
export const figuresOf = Effect.fnUntraced(function* (tenantId: TenantId, name: QueueName) {
  const state = (yield* (yield* DeadLetters).queues(tenantId)).find((state) => state.name === name)
  if (state === undefined) throw new Error("The queue has no figures")
  return state
})

/** Dead letters of a tenant that wait for a decision. */
export const lettersOf = Effect.fnUntraced(function* (tenantId: TenantId, name: QueueName) {
  return (yield* (yield* DeadLetters).list(tenantId, name, { limit: 10 })).items
})

/** Puts back the dead letter of a job; answers how many there were. */
export const redriven = Effect.fnUntraced(function* (tenantId: TenantId, name: QueueName, jobId: string) {
  const letters = (yield* lettersOf(tenantId, name)).filter((letter) => letter.jobId === jobId)
  const ids = letters.map(({ id }) => id)
  return yield* (yield* DeadLetters).redrive(tenantId, name, ids)
})
