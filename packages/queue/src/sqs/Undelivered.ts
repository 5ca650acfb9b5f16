import type { makeJobAttempts } from "@devops-mcp/core/jobs/JobAttempts"
import { sqsRequestTimeout, sqsVisibility } from "@devops-mcp/resilience/JobPolicies"
import { Duration, Effect, Schema } from "effect"
import type { Bodies } from "./Bodies.ts"
import { jobIdAttribute } from "./Relay.ts"
import { SqsClient } from "./SqsClient.ts"
import { type SqsQueue, SqsQueues } from "./SqsQueues.ts"

/** SQS moved a message away itself, because it was received far more often than a job is tried. */
class Undeliverable extends Schema.TaggedError<Undeliverable>()("@devops-mcp/queue/sqs/Undelivered/Undeliverable", {
  receptions: Schema.Int,
  retryable: Schema.tag(false)
}) {
  override get message() {
    return `Received ${this.receptions} times without coming to an end: its workers died, or could not reach the database`
  }
}

/** Empties the queues that SQS itself moves messages to: they become dead letters like all others, with that cause. */
export const makeUndelivered = Effect.fnUntraced(function* (
  bodies: Bodies,
  runAttempt: Effect.Success<ReturnType<typeof makeJobAttempts>>
) {
  const client = yield* SqsClient
  const queues = yield* SqsQueues

  const empty = Effect.fnUntraced(function* ({ deadUrl, name }: SqsQueue) {
    while (true) {
      const messages = yield* client.receive(deadUrl, { most: 10, visibility: sqsVisibility, wait: Duration.zero })
      if (messages.length === 0) return
      for (const { attributes, body, messageId, receipt, receiveCount } of messages) {
        const content = yield* bodies.read(body, attributes)
        const queuedId = attributes[jobIdAttribute] ?? messageId
        const verdict = yield* runAttempt(
          { queue: name, queuedId, attempt: receiveCount, content },
          { run: () => Effect.fail(new Undeliverable({ receptions: receiveCount })) }
        )
        if (verdict._tag === "Done") yield* client.remove(deadUrl, [receipt])
      }
    }
  })

  return Effect.forEach(
    queues.values(),
    (queue) => empty(queue).pipe(Effect.catch((error) => Effect.logWarning(error.message, error))),
    { discard: true }
  ).pipe(Effect.withSpan("SqsJobQueue.undelivered"), Effect.timeoutOption(Duration.times(sqsRequestTimeout, 10)))
})
