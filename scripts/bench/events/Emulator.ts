import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  ListQueuesCommand
} from "@aws-sdk/client-sqs"
import { ReceiveMessageCommand, SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs"
import { Array, Clock, Config, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { ServerFailed } from "../Server.ts"

/** Messages that go the whole way. */
const total = 400

const batch = 10

/** As our own queues are used: a FIFO queue gives one message to a request, of which some are under way at once. */
const receiving = { standard: { messages: 10, atOnce: 1 }, fifo: { messages: 1, atOnce: 4 } }

const sending = 4

const body = JSON.stringify({ job: { _tag: "IngestDelivery", tenantId: randomUUID(), deliveryId: randomUUID() } })

/** The SDK's own failures end the measurement. */
const asking = <A>(run: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new ServerFailed({ detail: `The emulator of Amazon SQS: ${String(cause)}` })
  })

const makeClient = Effect.gen(function* () {
  const endpoint = yield* Config.String("AWS_ENDPOINT_URL")
  return yield* Effect.acquireRelease(
    Effect.sync(() => new SQSClient({ endpoint, useQueueUrlAsEndpoint: false })),
    (client) => Effect.sync(() => client.destroy())
  )
})

/** Messages in a second, of each step by itself and of all three one after the other. */
export interface Emulator {
  readonly sent: number
  readonly received: number
  readonly removed: number
  readonly all: number
}

/** What the emulator can do at most: a bare loop of the SDK that sends, receives and deletes, and does nothing else. */
export const measureEmulator = Effect.fnUntraced(function* (prefix: string, kind: keyof typeof receiving) {
  const client = yield* makeClient
  const clock = yield* Clock.Clock
  const isFifo = kind === "fifo"
  const { QueueUrl = "" } = yield* asking((abortSignal) =>
    client.send(
      new CreateQueueCommand({
        QueueName: `${prefix}-bare${isFifo ? ".fifo" : ""}`,
        Attributes: isFifo
          ? { FifoQueue: "true", DeduplicationScope: "messageGroup", FifoThroughputLimit: "perMessageGroupId" }
          : {}
      }),
      { abortSignal }
    )
  )
  const timed = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      const startedAt = clock.currentTimeNanosUnsafe()
      return Effect.map(effect, (value) => ({
        value,
        seconds: Number(clock.currentTimeNanosUnsafe() - startedAt) / 1e9
      }))
    })

  const entries = Array.makeBy(total, (index) => ({
    Id: String(index),
    MessageBody: body,
    ...(isFifo ? { MessageGroupId: `group-${index}`, MessageDeduplicationId: randomUUID() } : {})
  }))
  const sent = yield* timed(
    Effect.forEach(
      Array.chunksOf(entries, batch),
      (Entries) =>
        asking((abortSignal) => client.send(new SendMessageBatchCommand({ QueueUrl, Entries }), { abortSignal })),
      { concurrency: sending, discard: true }
    )
  )

  const { atOnce, messages } = receiving[kind]
  const receipts: Array<string> = []
  const receive = asking((abortSignal) =>
    client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: messages, VisibilityTimeout: 60 }), {
      abortSignal
    })
  ).pipe(
    Effect.tap(({ Messages = [] }) =>
      Effect.sync(() => receipts.push(...Messages.flatMap(({ ReceiptHandle }) => ReceiptHandle ?? [])))
    ),
    Effect.repeat({ while: () => receipts.length < total })
  )
  const received = yield* timed(Effect.replicateEffect(receive, atOnce, { concurrency: "unbounded", discard: true }))

  const removed = yield* timed(
    Effect.forEach(
      Array.chunksOf(receipts, batch),
      (own) =>
        asking((abortSignal) =>
          client.send(
            new DeleteMessageBatchCommand({
              QueueUrl,
              Entries: own.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }))
            }),
            { abortSignal }
          )
        ),
      { concurrency: sending, discard: true }
    )
  )
  return {
    sent: total / sent.seconds,
    received: total / received.seconds,
    removed: total / removed.seconds,
    all: total / (sent.seconds + received.seconds + removed.seconds)
  } satisfies Emulator
}, Effect.scoped)

/** Removes the queues of a run with the scope. */
export const removingQueues = (prefix: string) =>
  Effect.addFinalizer(() =>
    Effect.gen(function* () {
      const client = yield* makeClient
      const { QueueUrls = [] } = yield* asking((abortSignal) =>
        client.send(new ListQueuesCommand({ QueueNamePrefix: prefix }), { abortSignal })
      )
      yield* Effect.forEach(
        QueueUrls,
        (QueueUrl) => asking((abortSignal) => client.send(new DeleteQueueCommand({ QueueUrl }), { abortSignal })),
        { discard: true }
      )
    }).pipe(Effect.scoped, Effect.ignore({ log: "Warn" }))
  )
