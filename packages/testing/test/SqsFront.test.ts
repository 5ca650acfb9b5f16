import { listening } from "@devops-mcp/testing/Peers"
import { makeSqsFront } from "@devops-mcp/testing/SqsFront"
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient
} from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { createServer, type ServerResponse } from "node:http"

/** A server that answers when it is told, and counts what is asked of it at once. */
const makeServer = Effect.gen(function* () {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const state = { open: 0, most: 0, asked: new Array<string>() }
  const first = yield* Deferred.make<void>()
  const answer = (response: ServerResponse) => {
    state.open--
    response.writeHead(200, { "content-type": "application/x-amz-json-1.0" }).end("{}")
  }
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      state.open++
      state.most = Math.max(state.most, state.open)
      state.asked.push(String(request.headers["x-amz-target"]).replace("AmazonSQS.", ""))
      Deferred.doneUnsafe(first, Effect.void)
      run(
        Effect.delay(
          Effect.sync(() => answer(response)),
          "5 millis"
        )
      )
    })
  })
  const port = yield* listening(server)
  const front = yield* makeSqsFront(`http://127.0.0.1:${port}`)
  const call = (operation: string, body: object) =>
    Effect.tryPromise((signal) =>
      fetch(front.url, {
        method: "POST",
        headers: { "x-amz-target": `AmazonSQS.${operation}` },
        body: JSON.stringify({ QueueUrl: "queue", ...body }),
        signal
      }).then((response) => response.text())
    )
  return { state, asked: Deferred.await(first), front, call }
})

describe("The front of the emulator of Amazon SQS", () => {
  it.live("lets one request through at a time", () =>
    Effect.gen(function* () {
      const { call, state } = yield* makeServer
      yield* Effect.replicateEffect(call("SendMessage", {}), 20, { concurrency: "unbounded" })
      assert.deepStrictEqual([state.asked.length, state.most], [20, 1])
    })
  )

  it.live("asks no more for a client that has gone while it waited", () =>
    Effect.gen(function* () {
      const { asked, call, state } = yield* makeServer
      const waiting = yield* Effect.forkChild(call("ReceiveMessage", { WaitTimeSeconds: 20 }))
      yield* asked
      yield* Fiber.interrupt(waiting)
      yield* call("GetQueueAttributes", {})
      const before = state.asked.length
      yield* call("SendMessage", {})
      yield* call("GetQueueAttributes", {})
      assert.deepStrictEqual(state.asked.slice(before), ["SendMessage", "GetQueueAttributes"])
    })
  )

  it.live("can be cut and mended", () =>
    Effect.gen(function* () {
      const { asked, call, front } = yield* makeServer
      const waiting = yield* Effect.forkChild(Effect.exit(call("ReceiveMessage", { WaitTimeSeconds: 20 })))
      yield* asked
      yield* front.cut
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "Failure")
      assert.strictEqual((yield* Effect.exit(call("SendMessage", {})))._tag, "Failure")
      yield* front.mend
      assert.strictEqual(yield* call("SendMessage", {}), "{}")
    })
  )
})

const makeQueue = Effect.gen(function* () {
  const { url: endpoint } = yield* makeSqsFront(process.env["AWS_ENDPOINT_URL"] ?? "")
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new SQSClient({ endpoint, useQueueUrlAsEndpoint: false, maxAttempts: 1 })),
    (own) => Effect.sync(() => own.destroy())
  )
  const { QueueUrl } = yield* Effect.acquireRelease(
    Effect.promise(() =>
      client.send(
        new CreateQueueCommand({
          QueueName: `test-front-${crypto.randomUUID().slice(0, 8)}.fifo`,
          Attributes: {
            FifoQueue: "true",
            DeduplicationScope: "messageGroup",
            FifoThroughputLimit: "perMessageGroupId"
          }
        })
      )
    ),
    (queue) => Effect.promise(() => client.send(new DeleteQueueCommand({ QueueUrl: queue.QueueUrl })))
  )
  return {
    send: (MessageGroupId: string, MessageBody: string) =>
      Effect.promise(() =>
        client.send(
          new SendMessageCommand({ QueueUrl, MessageGroupId, MessageBody, MessageDeduplicationId: MessageBody })
        )
      ),
    receive: Effect.map(
      Effect.promise(() =>
        client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: 1,
            VisibilityTimeout: 30,
            WaitTimeSeconds: 5,
            AttributeNames: ["All"]
          })
        )
      ),
      ({ Messages = [] }) => ({
        body: Messages[0]?.Body,
        receipt: Messages[0]?.ReceiptHandle,
        count: Messages[0]?.Attributes?.ApproximateReceiveCount
      })
    ),
    hide: (ReceiptHandle: string | undefined, VisibilityTimeout: number) =>
      Effect.promise(() =>
        client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }))
      ),
    remove: (ReceiptHandle: string | undefined) =>
      Effect.promise(() => client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })))
  }
})

// What is said of moto is tried on moto.
describe.skipIf(process.env["AWS_ENDPOINT_URL"] === undefined)("moto behind its front", () => {
  it.live("gives one message of a group at a time, in order, to those that wait", () =>
    Effect.gen(function* () {
      const { receive, remove, send } = yield* makeQueue
      const waiting = yield* Effect.forkChild(Effect.all([receive, receive], { concurrency: 2 }))
      yield* send("a", "a1")
      yield* send("a", "a2")
      yield* send("b", "b1")
      const got = yield* Fiber.join(waiting)
      assert.deepStrictEqual(got.map(({ body }) => body).toSorted(), ["a1", "b1"])
      const behind = yield* Effect.forkChild(receive)
      yield* remove(got.find(({ body }) => body === "a1")?.receipt)
      assert.strictEqual((yield* Fiber.join(behind)).body, "a2")
    })
  )

  it.live("keeps a group waiting for a message that is hidden, and counts its receptions", () =>
    Effect.gen(function* () {
      const { hide, receive, send } = yield* makeQueue
      yield* send("a", "a1")
      yield* send("a", "a2")
      yield* hide((yield* receive).receipt, 1)
      const again = yield* receive
      assert.deepStrictEqual([again.body, again.count], ["a1", "2"])
    })
  )
})
