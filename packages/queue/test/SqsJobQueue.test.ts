import { QueueName } from "@devops-mcp/contract/Jobs"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { SqsJobQueue } from "@devops-mcp/queue/sqs/SqsJobQueue"
import { jobQueueConformance } from "@devops-mcp/testing/conformance/JobQueue"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { describe } from "@effect/vitest"
import { Duration, Effect, Layer, Option, References, Schedule } from "effect"

const attempts = 3

const Objects = Layer.sync(ObjectStore, () => {
  const stored = new Map<string, Uint8Array>()
  return ObjectStore.of({
    put: (key, body) => Effect.sync(() => void stored.set(key, body)),
    get: (key) => Effect.sync(() => Option.fromUndefinedOr(stored.get(key))),
    delete: (key) => Effect.sync(() => void stored.delete(key))
  })
})

const quiet = Layer.succeed(References.MinimumLogLevel, "None")

const Services = Layer.mergeAll(RepositoriesLive, NodeCrypto.layer, Objects).pipe(
  Layer.provideMerge(Layer.merge(TestDatabase, quiet))
)

const queueOn = (kind: string, fifo: ReadonlyArray<QueueName>, largestBody?: number) =>
  SqsJobQueue({
    prefix: `test-${kind}-${crypto.randomUUID().slice(0, 8)}`,
    autoCreate: true,
    fifo,
    attempts,
    retry: Schedule.spaced(0),
    outageDelay: () => Duration.zero,
    ...(largestBody === undefined ? {} : { largestBody })
  }).pipe(Layer.provideMerge(Services))

// They need a server that speaks the protocol, and say so when there is none.
describe.skipIf(process.env["AWS_ENDPOINT_URL"] === undefined)("Amazon SQS at AWS_ENDPOINT_URL", () => {
  jobQueueConformance("SQS, standard", queueOn("standard", []), { attempts, keepsOrder: false })
  jobQueueConformance("SQS, FIFO", queueOn("fifo", QueueName.literals), { attempts, keepsOrder: true })
  jobQueueConformance("SQS, bodies in the object store", queueOn("large", QueueName.literals, 1), {
    attempts,
    keepsOrder: true
  })
})
