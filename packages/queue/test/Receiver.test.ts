import { makeOutbox } from "@devops-mcp/queue/sqs/Outbox"
import { makeReceiver } from "@devops-mcp/queue/sqs/Receiver"
import { SqsClient } from "@devops-mcp/queue/sqs/SqsClient"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, References } from "effect"
import { SqlClient } from "effect/sql"

const queue = { name: "deliveries" as const, url: "queue", deadUrl: "dead", isFifo: true }

const message = { messageId: "1", receipt: "receipt", body: "{}", receiveCount: 1, attributes: { jobId: "job" } }

layer(Layer.merge(TestDatabase, Layer.succeed(References.MinimumLogLevel, "None")), { excludeTestServices: true })(
  "Who receives from Amazon SQS",
  (it) => {
    it.effect("receives no more once the database has not answered, until it does", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const outbox = yield* makeOutbox
        const asked: Array<string> = []
        const known: typeof outbox.known = (name, ids) =>
          Effect.suspend(() => {
            asked.push(`database for ${ids.length}`)
            const isAway = asked.length < 4
            return isAway ? Effect.as(sql`select from nowhere`, []) : outbox.known(name, ids)
          })
        const client = Layer.mock(SqsClient, {
          receive: () =>
            Effect.sync(() => {
              asked.push("queue")
              return [message]
            })
        })
        // One of the two that ask has nobody to ask for.
        const receiver = yield* Effect.provide(makeReceiver(queue, { ...outbox, known }), client)
        assert.strictEqual((yield* receiver.take).queuedId, "job")
        assert.deepStrictEqual(asked, [
          "queue",
          "database for 1",
          "database for 0",
          "database for 0",
          "queue",
          "database for 1"
        ])
      }).pipe(Effect.scoped)
    )

    it.effect("goes on after an error of ours, and forgets nobody who waits", () =>
      Effect.gen(function* () {
        const outbox = yield* makeOutbox
        let defects = 0
        const known: typeof outbox.known = (name, ids) =>
          ids.length > 0 && defects++ === 0 ? Effect.die("a bug") : outbox.known(name, ids)
        let received = 0
        const client = Layer.mock(SqsClient, {
          receive: () =>
            Effect.sync(() => {
              const messageId = String(++received)
              return [{ ...message, messageId, attributes: { jobId: `job ${messageId}` } }]
            })
        })
        const receiver = yield* Effect.provide(makeReceiver({ ...queue, isFifo: false }, { ...outbox, known }), client)
        const taken = yield* Effect.all([receiver.take, receiver.take], { concurrency: 2 })
        assert.deepStrictEqual(
          taken.map(({ queuedId }) => queuedId),
          ["job 2", "job 3"]
        )
      }).pipe(Effect.scoped)
    )
  }
)
