import { makeOutbox } from "@devops-mcp/queue/sqs/Outbox"
import { makeReceiver } from "@devops-mcp/queue/sqs/Receiver"
import { SqsClient } from "@devops-mcp/queue/sqs/SqsClient"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, References } from "effect"
import { SqlClient } from "effect/sql"

const quiet = Layer.succeed(References.MinimumLogLevel, "None")

layer(Layer.merge(TestDatabase, quiet), { excludeTestServices: true, timeout: "60 seconds" })("Receiver", (it) => {
  for (const isFifo of [false, true]) {
    it.effect(`asks a ${isFifo ? "FIFO" : "standard"} queue for nothing while the database does not answer`, () =>
      Effect.gen(function* () {
        const [outbox, sql] = [yield* makeOutbox, yield* SqlClient.SqlClient]
        const happened: Array<string> = []
        const Client = Layer.mock(SqsClient, {
          receive: () =>
            Effect.sync(() => {
              happened.push("received")
              return [{ messageId: "m", receipt: "r", body: "{}", receiveCount: 1, attributes: {} }]
            })
        })
        // A reception that nobody works on counts as an attempt, and after some of them the job would be given up.
        const hasWork: typeof outbox.hasWork = () =>
          Effect.suspend(() => {
            happened.push("asked")
            return happened.length < 3 ? Effect.as(sql`select from nowhere`, false) : Effect.succeed(true)
          })
        const queue = { name: "documents", url: "queue", deadUrl: "dead", isFifo } as const
        const { take } = yield* makeReceiver(queue, { ...outbox, hasWork }).pipe(Effect.provide(Client))
        assert.strictEqual((yield* take).message.messageId, "m")
        assert.deepStrictEqual(happened.slice(0, 4), ["asked", "asked", "asked", "received"])
      })
    )
  }
})
