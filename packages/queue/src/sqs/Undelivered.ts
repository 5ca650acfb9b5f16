import type { makeJobAttempts } from "@devops-mcp/core/jobs/JobAttempts"
import { sqsRequestTimeout, sqsVisibility } from "@devops-mcp/resilience/JobPolicies"
import { Duration, Effect, Schema } from "effect"
import type { Bodies } from "./Bodies.ts"
import type { Outbox } from "./Outbox.ts"
import { isOlder, jobIdAttribute } from "./Relay.ts"
import { type IncomingMessage, SqsClient } from "./SqsClient.ts"
import { type SqsQueue, SqsQueues } from "./SqsQueues.ts"

/** SQS moved a message away that this database did not send. */
class Unknown extends Schema.TaggedError<Unknown>()("@devops-mcp/queue/sqs/Undelivered/Unknown", {
  receptions: Schema.Int,
  retryable: Schema.tag(false)
}) {
  override get message() {
    return `Received ${this.receptions} times, and no job that waits here: it was not sent from this database`
  }
}

/**
 * Empties the queues that SQS itself moves messages to. What a job has used up of its attempts is counted elsewhere, so a
 * message got there by being put off for hours, or by a database that was away: the outbox knows its job and sends it
 * again. What the outbox does not know becomes a dead letter.
 */
export const makeUndelivered = Effect.fnUntraced(function* (
  outbox: Outbox,
  bodies: Bodies,
  runAttempt: Effect.Success<ReturnType<typeof makeJobAttempts>>
) {
  const client = yield* SqsClient
  const queues = yield* SqsQueues

  /** Whether the message may be forgotten. */
  const handle = Effect.fnUntraced(function* (
    { name }: SqsQueue,
    { attributes, body, messageId, receiveCount }: IncomingMessage
  ) {
    const queuedId = attributes[jobIdAttribute] ?? messageId
    const [known] = yield* outbox.known(name, [queuedId])
    // Sent again by now.
    if (known !== undefined && isOlder(attributes, known)) return true
    if (known !== undefined) {
      yield* outbox.resend(name, queuedId)
      if (!known.isSettled) {
        yield* Effect.logWarning("Amazon SQS moved a message away; its job is sent again", {
          job: queuedId,
          receiveCount
        })
      }
      return true
    }
    const content = yield* bodies.read(body, attributes)
    const verdict = yield* runAttempt(
      { queue: name, queuedId, attempt: 1, content },
      { run: () => Effect.fail(new Unknown({ receptions: receiveCount })) }
    )
    return verdict._tag === "Done"
  })

  const empty = Effect.fnUntraced(function* (queue: SqsQueue) {
    while (true) {
      const messages = yield* client.receive(queue.deadUrl, {
        most: 10,
        visibility: sqsVisibility,
        wait: Duration.zero
      })
      if (messages.length === 0) return
      for (const message of messages) {
        if (yield* handle(queue, message)) yield* client.remove(queue.deadUrl, [message.receipt])
      }
    }
  })

  return Effect.forEach(
    queues.values(),
    (queue) => empty(queue).pipe(Effect.catch((error) => Effect.logWarning(error.message, error))),
    { discard: true }
  ).pipe(Effect.withSpan("SqsJobQueue.undelivered"), Effect.timeoutOption(Duration.times(sqsRequestTimeout, 10)))
})
