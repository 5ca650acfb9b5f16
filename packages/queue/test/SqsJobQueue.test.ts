import { QueueName } from "@devops-mcp/contract/Jobs"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { SqsClient } from "@devops-mcp/queue/sqs/SqsClient"
import { SqsJobQueue } from "@devops-mcp/queue/sqs/SqsJobQueue"
import { SqsQueues } from "@devops-mcp/queue/sqs/SqsQueues"
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

const queueOn = (kind: string, fifo: ReadonlyArray<QueueName>, largestBody?: number) => {
  const queues = { prefix: `test-${kind}-${crypto.randomUUID().slice(0, 8)}`, autoCreate: true, fifo }
  return SqsJobQueue({
    ...queues,
    attempts,
    retry: Schedule.spaced(0),
    outageDelay: () => Duration.zero,
    ...(largestBody === undefined ? {} : { largestBody })
  }).pipe(
    Layer.provideMerge(SqsQueues.layer(queues)),
    Layer.provideMerge(SqsClient.layer),
    Layer.provideMerge(Services)
  )
}

/** Receives a message, once it is there, and never answers; the time for which it is hidden is over. */
const workerDies = Effect.fnUntraced(function* (name: QueueName) {
  const client = yield* SqsClient
  const url = (yield* SqsQueues).get(name)?.url ?? ""
  const [message] = yield* client
    .receive(url, { most: 1, visibility: Duration.seconds(30) })
    .pipe(Effect.repeat({ until: (messages) => messages.length > 0 }))
  if (message !== undefined) yield* client.hide(url, message.receipt, Duration.zero)
})

// They need a server that speaks the protocol, and say so when there is none.
describe.skipIf(process.env["AWS_ENDPOINT_URL"] === undefined)("Amazon SQS at AWS_ENDPOINT_URL", () => {
  jobQueueConformance("SQS, standard", queueOn("standard", []), { attempts, keepsOrder: false, workerDies })
  jobQueueConformance("SQS, FIFO", queueOn("fifo", QueueName.literals), { attempts, keepsOrder: true, workerDies })
  jobQueueConformance("SQS, bodies in the object store", queueOn("large", QueueName.literals, 1), {
    attempts,
    keepsOrder: true,
    workerDies
  })
})
