import { QueueName } from "@devops-mcp/contract/Jobs"
import { sqsBackstop, sqsRetention, sqsStartRetry, sqsVisibility } from "@devops-mcp/resilience/JobPolicies"
import { Context, Duration, Effect, Layer, Option, Schema } from "effect"
import { SqsClient, type SqsFailure } from "./SqsClient.ts"

/** The queues cannot be used as they are configured; the program does not start. */
export class SqsUnusable extends Schema.TaggedError<SqsUnusable>()("@devops-mcp/queue/sqs/SqsQueues/SqsUnusable", {
  detail: Schema.String
}) {
  override get message() {
    return `Amazon SQS (QUEUE_DRIVER=sqs) cannot be used: ${this.detail}`
  }
}

/** A queue as we use it, and the one that SQS itself moves its messages to when they were received far too often. */
export interface SqsQueue {
  readonly name: QueueName
  readonly url: string
  readonly deadUrl: string
  readonly isFifo: boolean
}

export interface SqsQueuesOptions {
  readonly prefix: string
  readonly autoCreate: boolean
  readonly fifo: ReadonlyArray<QueueName>
}

const messageOf = ({ cause, name }: SqsFailure) =>
  cause instanceof Error && cause.message !== "" ? `${name}: ${cause.message}` : name

const unusable = (error: SqsFailure) => new SqsUnusable({ detail: messageOf(error) })

/** All our queues: there, or made where that is allowed. Looked up at the start, so that a missing one is told then. */
export class SqsQueues extends Context.Service<SqsQueues, ReadonlyMap<QueueName, SqsQueue>>()(
  "@devops-mcp/queue/sqs/SqsQueues"
) {
  static readonly layer = ({ autoCreate, fifo, prefix }: SqsQueuesOptions) =>
    Layer.effect(
      SqsQueues,
      Effect.gen(function* () {
        const client = yield* SqsClient

        const found = (name: string) => Effect.mapError(Effect.retry(client.urlOf(name), sqsStartRetry), unusable)

        const made = (name: string, attributes: Record<string, string>) =>
          Effect.mapError(Effect.retry(client.create(name, attributes), sqsStartRetry), unusable)

        const ensure = Effect.fnUntraced(function* (
          name: string,
          isFifo: boolean,
          attributes: Effect.Effect<Record<string, string>, SqsUnusable>
        ) {
          const url = yield* found(name)
          if (Option.isSome(url)) return url.value
          if (!autoCreate) {
            return yield* new SqsUnusable({
              detail: `there is no queue ${name}; create it (docs/sqs.md), or set SQS_AUTO_CREATE=true`
            })
          }
          return yield* made(name, {
            MessageRetentionPeriod: String(Duration.toSeconds(sqsRetention)),
            VisibilityTimeout: String(Duration.toSeconds(sqsVisibility)),
            // Each group has SQS's throughput to itself.
            ...(isFifo
              ? { FifoQueue: "true", DeduplicationScope: "messageGroup", FifoThroughputLimit: "perMessageGroupId" }
              : {}),
            ...(yield* attributes)
          })
        })

        const queueNamed = Effect.fnUntraced(function* (name: QueueName) {
          const isFifo = fifo.includes(name)
          const suffix = isFifo ? ".fifo" : ""
          const deadUrl = yield* ensure(`${prefix}-${name}-dead${suffix}`, isFifo, Effect.succeed({}))
          const redrivePolicy = client.arnOf(deadUrl).pipe(
            Effect.mapError(unusable),
            Effect.map((deadLetterTargetArn) => ({
              RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: sqsBackstop })
            }))
          )
          const url = yield* ensure(`${prefix}-${name}${suffix}`, isFifo, redrivePolicy)
          return [name, { name, url, deadUrl, isFifo }] as const
        })

        return new Map(yield* Effect.forEach(QueueName.literals, queueNamed))
      })
    )
}
