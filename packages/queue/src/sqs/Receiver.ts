import { QueueError } from "@devops-mcp/core/ports/JobQueue"
import { longPoll, sqsBusyPoll, sqsVisibility } from "@devops-mcp/resilience/JobPolicies"
import { sqsReceiveRetry } from "@devops-mcp/resilience/Outages"
import { Deferred, Duration, Effect, Queue } from "effect"
import type { KnownJob, Outbox } from "./Outbox.ts"
import { jobIdAttribute } from "./Relay.ts"
import { type IncomingMessage, SqsClient } from "./SqsClient.ts"
import type { SqsQueue } from "./SqsQueues.ts"

/** A message with what the queue remembers of its job; nothing of a message that others have sent. */
export interface Received {
  readonly message: IncomingMessage
  readonly queuedId: string
  readonly known: KnownJob | undefined
}

interface Taker {
  readonly got: Deferred.Deferred<Received>
  isGone: boolean
}

/**
 * Messages in one request, and requests at once. Of a FIFO queue one by one: SQS gives several of a group together, and
 * those behind the first would have to be kept hidden while they wait for it, and to go back when it fails.
 */
const standardRequests = { messages: 10, atOnce: 1 }
const fifoRequests = { messages: 1, atOnce: 2 }

const isWaiting = ({ got, isGone }: Taker) => !isGone && !Deferred.isDoneUnsafe(got)

const queuedIdOf = ({ attributes, messageId }: IncomingMessage) => attributes[jobIdAttribute] ?? messageId

/**
 * Asks one queue for as many messages as there are takers, and for none when there are none. A request that waits for
 * messages is never cut off, for what arrives on it then is hidden from everybody for a while: its messages go back.
 */
export const makeReceiver = Effect.fnUntraced(function* (queue: SqsQueue, outbox: Outbox) {
  const client = yield* SqsClient
  const takers = yield* Queue.unbounded<Taker>()
  const requests = queue.isFifo ? fifoRequests : standardRequests

  const giveBack = ({ message, queuedId }: Received) =>
    Effect.andThen(
      Effect.ignore(outbox.giveBack(queue.name, queuedId)),
      Effect.ignore(client.hide(queue.url, message.receipt, Duration.zero))
    )

  /** Waits until there is somebody to ask for; those of before come first. */
  const present = Effect.fnUntraced(function* (before: ReadonlyArray<Taker>) {
    let here = before.filter(isWaiting)
    while (here.length === 0) here = (yield* Queue.takeBetween(takers, 1, requests.messages)).filter(isWaiting)
    return here
  })

  /** Gives each message to a taker; answers the takers that are left. */
  const hand = Effect.fnUntraced(function* (messages: ReadonlyArray<Received>, here: ReadonlyArray<Taker>) {
    const left = [...here]
    for (const received of messages) {
      let isHanded = false
      while (!isHanded) {
        const taker = left.shift()
        if (taker === undefined) break
        isHanded = !taker.isGone && (yield* Deferred.succeed(taker.got, received))
      }
      if (!isHanded) yield* giveBack(received)
    }
    return left
  })

  let working = 0

  const ask = Effect.fnUntraced(function* (here: ReadonlyArray<Taker>) {
    // Which groups are in flight an emulator looks up when a request comes: what ends while it waits is not seen by it.
    const wait = queue.isFifo && working > 0 ? sqsBusyPoll : longPoll
    const messages = yield* client.receive(queue.url, { most: here.length, visibility: sqsVisibility, wait })
    const known = messages.length === 0 ? [] : yield* outbox.known(queue.name, messages.map(queuedIdOf))
    const byId = new Map(known.map((job) => [job.id, job]))
    return yield* hand(
      messages.map((message) => {
        const queuedId = queuedIdOf(message)
        return { message, queuedId, known: byId.get(queuedId) }
      }),
      here
    )
  })

  /** What is received while the database is away has used up an attempt; so it is asked first once something has failed. */
  const isDatabaseThere = outbox.known(queue.name, [])

  const receive = Effect.gen(function* () {
    let left: ReadonlyArray<Taker> = []
    let hasFailed = false
    while (true) {
      const here = yield* present(left)
      left = here
      left = yield* Effect.suspend(() => (hasFailed ? isDatabaseThere : Effect.void)).pipe(
        Effect.andThen(Effect.uninterruptible(ask(here))),
        // An error of ours must not end it: its takers would wait for ever, and nobody would know.
        Effect.tapDefect((defect) => Effect.logError(`Receiving from the queue ${queue.name} met a defect`, defect)),
        Effect.catchDefect((cause) => Effect.fail(new QueueError({ operation: "take", retryable: true, cause }))),
        Effect.tapError((error) => {
          hasFailed = true
          return Effect.logWarning(`The queue ${queue.name} cannot be read`, error)
        }),
        Effect.retry(sqsReceiveRetry),
        // The schedule has no end.
        Effect.orDie
      )
      hasFailed = false
    }
  })

  for (let index = 0; index < requests.atOnce; index++) yield* Effect.forkScoped(receive)

  /** Waits for one message. Who is interrupted takes nothing along. */
  const take = Effect.gen(function* () {
    const taker: Taker = { got: yield* Deferred.make<Received>(), isGone: false }
    yield* Queue.offer(takers, taker)
    return yield* Deferred.await(taker.got).pipe(
      Effect.onInterrupt(() =>
        Effect.suspend(() => {
          taker.isGone = true
          return Effect.flatMap(Deferred.isDone(taker.got), (isDone) =>
            isDone ? Effect.flatMap(Deferred.await(taker.got), giveBack) : Effect.void
          )
        })
      )
    )
  })

  /** What is done with a message that was taken. */
  const during = <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      working++
      return Effect.ensuring(
        work,
        Effect.sync(() => {
          working--
        })
      )
    })

  return { take, during, giveBack }
})
