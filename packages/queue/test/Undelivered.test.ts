import { Job } from "@devops-mcp/contract/Jobs"
import { makeJobAttempts } from "@devops-mcp/core/jobs/JobAttempts"
import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { DocumentId } from "@devops-mcp/domain/Ids"
import { largestBody, makeBodies } from "@devops-mcp/queue/sqs/Bodies"
import { makeOutbox } from "@devops-mcp/queue/sqs/Outbox"
import { jobIdAttribute } from "@devops-mcp/queue/sqs/Relay"
import { type IncomingMessage, SqsClient } from "@devops-mcp/queue/sqs/SqsClient"
import { SqsQueues } from "@devops-mcp/queue/sqs/SqsQueues"
import { makeUndelivered } from "@devops-mcp/queue/sqs/Undelivered"
import { sqsBackstop } from "@devops-mcp/resilience/JobPolicies"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, References } from "effect"
import { SqlClient } from "effect/sql"

const queue = "documents"

/** What SQS has moved away. */
const dead: Array<IncomingMessage> = []

const Sqs = Layer.merge(
  Layer.mock(SqsClient, {
    receive: () => Effect.sync(() => dead.slice(0, 10)),
    remove: (_url, receipts) =>
      Effect.sync(() => {
        const left = dead.filter(({ receipt }) => !receipts.includes(receipt))
        dead.splice(0, dead.length, ...left)
        return new Set(receipts)
      })
  }),
  Layer.succeed(SqsQueues, new Map([[queue, { name: queue, url: "queue", deadUrl: "dead", isFifo: false }]]))
)

const Services = Layer.mergeAll(RepositoriesLive, NodeCrypto.layer, Layer.mock(ObjectStore, {}), Sqs).pipe(
  Layer.provideMerge(Layer.merge(TestDatabase, Layer.succeed(References.MinimumLogLevel, "None")))
)

/** SQS has moved the message of a job away, after as many receptions as it allows. */
const moved = Effect.fnUntraced(function* (id: string) {
  const tenantId = yield* freshTenant
  const body = JSON.stringify(Job.cases.IngestDocument.make({ tenantId, documentId: freshId(DocumentId) }))
  dead.push({ messageId: id, receipt: id, body, receiveCount: sqsBackstop + 1, attributes: { [jobIdAttribute]: id } })
  return { tenantId, body }
})

const emptied = Effect.gen(function* () {
  const run = yield* makeJobAttempts()
  yield* yield* makeUndelivered(yield* makeOutbox, yield* makeBodies(largestBody), run)
  assert.deepStrictEqual(dead, [])
})

const lettersOf = (tenantId: Effect.Success<typeof freshTenant>) =>
  Effect.flatMap(DeadLetterRepository, (letters) => letters.list(tenantId, queue, { limit: 10 })).pipe(
    Effect.map(({ items }) => items)
  )

layer(Services, { excludeTestServices: true, timeout: "60 seconds" })("what SQS itself moved away", (it) => {
  it.effect("is sent again when its job waits, with all its attempts: it was put off, or the database was away", () =>
    Effect.gen(function* () {
      const [outbox, sql] = [yield* makeOutbox, yield* SqlClient.SqlClient]
      const { body, tenantId } = yield* moved("put off")
      yield* outbox.add({
        queue,
        id: "put off",
        group: "g",
        content: body,
        traceparent: undefined,
        delay: Duration.zero
      })
      yield* sql`update job_outbox set sent_at = now(), given_back = 990 where id = 'put off'`
      yield* emptied
      assert.deepInclude((yield* outbox.unsent)[0], { id: "put off", body })
      assert.deepInclude((yield* outbox.known(queue, ["put off"]))[0], { givenBack: 0, isSettled: false })
      assert.deepStrictEqual(yield* lettersOf(tenantId), [])
      yield* sql`delete from job_outbox`
    })
  )

  it.effect("is forgotten when its job is done", () =>
    Effect.gen(function* () {
      const outbox = yield* makeOutbox
      const { body, tenantId } = yield* moved("done")
      yield* outbox.add({ queue, id: "done", group: "g", content: body, traceparent: undefined, delay: Duration.zero })
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`update job_outbox set sent_at = now()`)
      yield* outbox.settle(queue, ["done"])
      yield* emptied
      assert.deepStrictEqual([yield* outbox.unsent, yield* lettersOf(tenantId)], [[], []])
    })
  )

  it.effect("becomes a dead letter when nobody knows its job", () =>
    Effect.gen(function* () {
      const { tenantId } = yield* moved("stranger")
      yield* emptied
      const [letter] = yield* lettersOf(tenantId)
      assert.deepInclude(letter, { jobId: "stranger", type: "IngestDocument" })
      assert.include(letter?.error, "it was not sent from this database")
    })
  )
})
