import { makeBreaker } from "@devops-mcp/observability/Breakers"
import { longPoll, sqsRequestTimeout } from "@devops-mcp/resilience/JobPolicies"
import { sqsBreaker } from "@devops-mcp/resilience/Outages"
import type { MessageAttributeValue, SQSClient } from "@aws-sdk/client-sqs"
import { Config, Context, Duration, Effect, Layer, Option, Predicate, Schema } from "effect"

/** Amazon SQS did not do what was asked. `name` is the service's own word for why. */
export class SqsFailure extends Schema.TaggedError<SqsFailure>()("@devops-mcp/queue/sqs/SqsClient/SqsFailure", {
  operation: Schema.String,
  name: Schema.String,
  retryable: Schema.Boolean,
  /** Milliseconds until it is asked again. */
  retryAfter: Schema.optionalKey(Schema.Number),
  cause: Schema.Defect()
}) {
  override get message() {
    return `Amazon SQS could not ${this.operation}: ${this.name}`
  }
}

export interface OutgoingMessage {
  /** Of this batch: at most 80 characters of A-Z, a-z, 0-9, `-` and `_`. */
  readonly entryId: string
  readonly body: string
  readonly attributes: Readonly<Record<string, string>>
  /** For FIFO queues only. */
  readonly fifo?: { readonly group: string; readonly deduplicationId: string }
}

export interface IncomingMessage {
  readonly messageId: string
  readonly receipt: string
  readonly body: string
  readonly receiveCount: number
  readonly attributes: Readonly<Record<string, string>>
}

type Request<A> = (client: SQSClient, signal: AbortSignal) => Promise<A>

const nameOf = (cause: unknown) => (cause instanceof Error ? cause.name : "Error")

const statusOf = (cause: unknown): number | undefined =>
  Predicate.hasProperty(cause, "$metadata") &&
  Predicate.hasProperty(cause.$metadata, "httpStatusCode") &&
  Predicate.isNumber(cause.$metadata.httpStatusCode)
    ? cause.$metadata.httpStatusCode
    : undefined

/** Everything passes but a clear no: a request that the service answered with a client's fault, throttling aside. */
const isPassing = (cause: unknown): boolean => {
  const name = nameOf(cause)
  if (name === "CredentialsProviderError") return false
  const status = statusOf(cause)
  return status === undefined || status >= 500 || status === 429 || /Throttl|OverLimit/.test(name)
}

const failed = (operation: string) => (cause: unknown) =>
  new SqsFailure({ operation, name: nameOf(cause), retryable: isPassing(cause), cause })

const toAttributes = (attributes: Readonly<Record<string, string>>): Record<string, MessageAttributeValue> =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, { DataType: "String", StringValue: value }])
  )

const fromAttributes = (attributes: Readonly<Record<string, MessageAttributeValue>> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, { StringValue }]) =>
      StringValue === undefined ? [] : [[name, StringValue]]
    )
  )

/**
 * The operations of Amazon SQS that we use, all of them offered by its emulators too. Each takes a bounded time; nothing
 * is retried here. Operations on messages that do not get through are not tried for a while.
 */
export class SqsClient extends Context.Service<
  SqsClient,
  {
    /** None when there is no such queue. */
    readonly urlOf: (name: string) => Effect.Effect<Option.Option<string>, SqsFailure>
    readonly create: (name: string, attributes: Record<string, string>) => Effect.Effect<string, SqsFailure>
    readonly arnOf: (url: string) => Effect.Effect<string, SqsFailure>
    /** Messages that were received and neither removed nor visible again. */
    readonly inFlight: (url: string) => Effect.Effect<number, SqsFailure>
    /** At most ten; answers the entry ids of those that the queue has. */
    readonly send: (
      url: string,
      messages: ReadonlyArray<OutgoingMessage>
    ) => Effect.Effect<ReadonlySet<string>, SqsFailure>
    /** At most ten, waiting for the first one. */
    readonly receive: (
      url: string,
      options: { readonly most: number; readonly visibility: Duration.Duration; readonly wait?: Duration.Duration }
    ) => Effect.Effect<ReadonlyArray<IncomingMessage>, SqsFailure>
    readonly hide: (url: string, receipt: string, visibility: Duration.Duration) => Effect.Effect<void, SqsFailure>
    /** At most ten; answers those that are gone from the queue. */
    readonly remove: (url: string, receipts: ReadonlyArray<string>) => Effect.Effect<ReadonlySet<string>, SqsFailure>
  }
>()("@devops-mcp/queue/sqs/SqsClient") {
  static readonly layer = Layer.effect(
    SqsClient,
    Effect.gen(function* () {
      const endpoint = yield* Config.option(Config.URL("AWS_ENDPOINT_URL"))
      const sdk = yield* Effect.promise(() => import("@aws-sdk/client-sqs"))
      const client = yield* Effect.acquireRelease(
        Effect.sync(
          () =>
            new sdk.SQSClient({
              maxAttempts: 1,
              ...(Option.isSome(endpoint) ? { endpoint: endpoint.value.href, useQueueUrlAsEndpoint: false } : {})
            })
        ),
        (open) => Effect.sync(() => open.destroy())
      )

      const breaker = yield* makeBreaker("sqs", sqsBreaker)

      const call = <A>(operation: string, run: Request<A>, timeout: Duration.Duration = sqsRequestTimeout) =>
        Effect.tryPromise({ try: (signal) => run(client, signal), catch: failed(operation) }).pipe(
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () => Effect.fail(failed(operation)(new Error(`No answer in ${Duration.format(timeout)}`)))
          }),
          Effect.withSpan(`SqsClient.${operation}`, { kind: "client" })
        )

      /** A circuit each: while a request for messages tries the service out and waits, others must not wait for it. */
      const guarded = <A>(operation: string, url: string, run: Request<A>, timeout?: Duration.Duration) =>
        breaker.protect(call(operation, run, timeout), {
          key: `${operation} ${url}`,
          onOpen: ({ failure, retryAfter }) =>
            new SqsFailure({
              operation,
              name: failure?.name ?? "NotAnsweringLately",
              retryable: true,
              retryAfter,
              cause: failure?.cause ?? "The circuit is open"
            })
        })

      return SqsClient.of({
        urlOf: (name) =>
          call("find the queue", (sqs, abortSignal) =>
            sqs.send(new sdk.GetQueueUrlCommand({ QueueName: name }), { abortSignal })
          ).pipe(
            Effect.map(({ QueueUrl }) => Option.fromUndefinedOr(QueueUrl)),
            Effect.catch((error) =>
              /NonExistentQueue|QueueDoesNotExist/.test(error.name) ? Effect.succeedNone : Effect.fail(error)
            )
          ),
        create: (name, attributes) =>
          call("create the queue", (sqs, abortSignal) =>
            sqs.send(new sdk.CreateQueueCommand({ QueueName: name, Attributes: attributes }), { abortSignal })
          ).pipe(Effect.map(({ QueueUrl }) => QueueUrl ?? "")),
        arnOf: (url) =>
          call("describe the queue", (sqs, abortSignal) =>
            sqs.send(new sdk.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] }), {
              abortSignal
            })
          ).pipe(Effect.map(({ Attributes }) => Attributes?.["QueueArn"] ?? "")),
        inFlight: (url) =>
          call("count the messages", (sqs, abortSignal) =>
            sqs.send(
              new sdk.GetQueueAttributesCommand({
                QueueUrl: url,
                AttributeNames: ["ApproximateNumberOfMessagesNotVisible"]
              }),
              { abortSignal }
            )
          ).pipe(Effect.map(({ Attributes = {} }) => Number(Attributes["ApproximateNumberOfMessagesNotVisible"] ?? 0))),
        send: (url, messages) =>
          guarded("send messages", url, (sqs, abortSignal) =>
            sqs.send(
              new sdk.SendMessageBatchCommand({
                QueueUrl: url,
                Entries: messages.map(({ attributes, body, entryId, fifo }) => ({
                  Id: entryId,
                  MessageBody: body,
                  MessageAttributes: toAttributes(attributes),
                  ...(fifo === undefined
                    ? {}
                    : { MessageGroupId: fifo.group, MessageDeduplicationId: fifo.deduplicationId })
                }))
              }),
              { abortSignal }
            )
          ).pipe(Effect.map(({ Successful = [] }) => new Set(Successful.flatMap(({ Id }) => Id ?? [])))),
        receive: (url, { most, visibility, wait = longPoll }) =>
          guarded(
            "receive messages",
            url,
            (sqs, abortSignal) =>
              sqs.send(
                new sdk.ReceiveMessageCommand({
                  QueueUrl: url,
                  MaxNumberOfMessages: most,
                  VisibilityTimeout: Math.ceil(Duration.toSeconds(visibility)),
                  WaitTimeSeconds: Math.floor(Duration.toSeconds(wait)),
                  MessageSystemAttributeNames: ["ApproximateReceiveCount"],
                  // The same by its older name, the only one that some emulators know.
                  AttributeNames: ["All"],
                  MessageAttributeNames: ["All"]
                }),
                { abortSignal }
              ),
            Duration.sum(sqsRequestTimeout, wait)
          ).pipe(
            Effect.map(({ Messages = [] }) =>
              Messages.map((message) => ({
                messageId: message.MessageId ?? "",
                receipt: message.ReceiptHandle ?? "",
                body: message.Body ?? "",
                receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
                attributes: fromAttributes(message.MessageAttributes)
              }))
            )
          ),
        hide: (url, receipt, visibility) =>
          Effect.asVoid(
            guarded("hide the message", url, (sqs, abortSignal) =>
              sqs.send(
                new sdk.ChangeMessageVisibilityCommand({
                  QueueUrl: url,
                  ReceiptHandle: receipt,
                  VisibilityTimeout: Math.ceil(Duration.toSeconds(visibility))
                }),
                { abortSignal }
              )
            )
          ),
        remove: (url, receipts) =>
          guarded("remove messages", url, (sqs, abortSignal) =>
            sqs.send(
              new sdk.DeleteMessageBatchCommand({
                QueueUrl: url,
                Entries: receipts.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }))
              }),
              { abortSignal }
            )
          ).pipe(
            Effect.map(({ Successful = [] }) => new Set(Successful.flatMap(({ Id }) => receipts[Number(Id)] ?? [])))
          )
      })
    })
  )
}
