import { Job, QueueName } from "@devops-mcp/contract/Jobs"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { DocumentId } from "@devops-mcp/domain/Ids"
import { SqsClient } from "@devops-mcp/queue/sqs/SqsClient"
import { SqsJobQueue } from "@devops-mcp/queue/sqs/SqsJobQueue"
import { SqsQueues } from "@devops-mcp/queue/sqs/SqsQueues"
import { jobQueueConformance } from "@devops-mcp/testing/conformance/JobQueue"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { makeSqsFront } from "@devops-mcp/testing/SqsFront"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Duration, Effect, Layer, Option, References, Schedule } from "effect"
import { SqlClient } from "effect/sql"

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

/** The emulator as SQS is: of a group whose message is in flight it gives nothing. */
const FrontedClient = Layer.unwrap(
  Effect.gen(function* () {
    const { url } = yield* makeSqsFront(process.env["AWS_ENDPOINT_URL"] ?? "")
    return ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ AWS_ENDPOINT_URL: url }), { asPrimary: true })
  })
)

// They need a server that speaks the protocol, and say so when there is none.
describe.skipIf(process.env["AWS_ENDPOINT_URL"] === undefined)("Amazon SQS at AWS_ENDPOINT_URL", () => {
  jobQueueConformance("SQS, standard", queueOn("standard", []), { attempts, keepsOrder: false, workerDies })
  jobQueueConformance("SQS, FIFO", queueOn("fifo", QueueName.literals), { attempts, keepsOrder: true, workerDies })
  jobQueueConformance("SQS, bodies in the object store", queueOn("large", QueueName.literals, 1), {
    attempts,
    keepsOrder: true,
    workerDies
  })

  it.live(
    "a job whose message was lost is sent again, and those behind it in its group wait for it",
    () =>
      Effect.gen(function* () {
        const prefix = `test-lost-${crypto.randomUUID().slice(0, 8)}`
        const fifo = SqsJobQueue({ prefix, autoCreate: true, fifo: QueueName.literals, attempts })
        const context = yield* Layer.build(
          Layer.mergeAll(fifo, SqsClient.layer).pipe(
            Layer.fresh,
            Layer.provideMerge(Services),
            Layer.provide(FrontedClient)
          )
        )
        const queue = Context.get(context, JobQueue)
        const sql = Context.get(context, SqlClient.SqlClient)
        const sqs = Context.get(context, SqsClient)
        const tenantId = yield* Effect.provideContext(freshTenant, context)
        const ids = ["first", "second", "third", "fourth"]
        for (const id of ids) {
          const job = Job.cases.IngestDocument.make({ tenantId, documentId: freshId(DocumentId) })
          yield* queue.offer(job, { id, group: "group" })
        }
        yield* Effect.forkScoped(queue.upkeep)
        yield* sql<{ readonly left: number }>`select count(*)::int as left from job_outbox where sent_at is null`.pipe(
          Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: ([row]) => row?.left === 0 })
        )
        const url = Option.getOrThrow(yield* sqs.urlOf(`${prefix}-documents.fifo`))
        const [lost] = yield* sqs.receive(url, { most: 1, visibility: Duration.seconds(20) })
        yield* sqs.remove(url, [lost?.receipt ?? ""])
        yield* sql`update job_outbox set sent_at = sent_at - interval '1 minute'`

        const taken: Array<string> = []
        yield* queue
          .take("documents", { run: (_, { id }) => Effect.sync(() => void taken.push(id)) })
          .pipe(Effect.repeat({ until: () => taken.length === ids.length }))
        assert.deepStrictEqual(taken, ids)
      }).pipe(Effect.scoped, Effect.timeout("40 seconds")),
    60_000
  )
})
