import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { layer as suite } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { deliveryTests } from "./jobs/Delivery.ts"
import { failureTests } from "./jobs/Failures.ts"
import type { JobQueuePromises, Needed } from "./jobs/Steps.ts"

const withUpkeep = Layer.effectDiscard(Effect.flatMap(JobQueue, ({ upkeep }) => Effect.forkScoped(upkeep)))

/**
 * What every job queue promises. The layer's queue is empty at first, tries a job `attempts` times (two or more), and does
 * not wait between attempts, nor in an outage; each test leaves it empty.
 */
export const jobQueueConformance = <E, R>(
  name: string,
  layer: Layer.Layer<Needed | R, E>,
  promises: JobQueuePromises<R>
) =>
  suite(withUpkeep.pipe(Layer.provideMerge(DeadLetters.layer), Layer.provideMerge(layer)), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })(`JobQueue: ${name}`, (it) => {
    deliveryTests(it, promises)
    failureTests(it, promises)
  })
