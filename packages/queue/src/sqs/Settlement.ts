import type { QueueName } from "@devops-mcp/contract/Jobs"
import { sqsSettleLinger, sqsSettleRetry } from "@devops-mcp/resilience/JobPolicies"
import { Effect, Exit, Request, RequestResolver } from "effect"
import type { Outbox } from "./Outbox.ts"
import { SqsClient, SqsFailure } from "./SqsClient.ts"
import type { SqsQueue } from "./SqsQueues.ts"

/** A job that has come to its end. */
class Settle extends Request.Class<
  { readonly queue: QueueName; readonly queuedId: string; readonly receipt: string },
  void,
  SqsFailure
> {}

const lost = (cause: unknown) =>
  new SqsFailure({ operation: "remove messages", name: "NotRemoved", retryable: true, cause })

/**
 * Forgets jobs that are done, those that end together with one statement and one request. Remembered first and removed
 * then: a message that could not be removed comes again, and is known.
 */
export const makeSettlement = Effect.fnUntraced(function* (queue: SqsQueue, outbox: Outbox) {
  const client = yield* SqsClient

  const resolver = RequestResolver.make<Settle>(
    Effect.fnUntraced(function* (entries) {
      const requests = entries.map(({ request }) => request)
      const gone = yield* outbox
        .settle(
          queue.name,
          requests.map(({ queuedId }) => queuedId)
        )
        .pipe(
          Effect.mapError(lost),
          Effect.andThen(
            client.remove(
              queue.url,
              requests.map(({ receipt }) => receipt)
            )
          ),
          Effect.result
        )
      for (const entry of entries) {
        entry.completeUnsafe(
          gone._tag === "Failure"
            ? Exit.fail(gone.failure)
            : gone.success.has(entry.request.receipt)
              ? Exit.void
              : Exit.fail(lost("The queue kept the message"))
        )
      }
    })
  ).pipe(RequestResolver.setDelay(sqsSettleLinger), RequestResolver.batchN(10))

  return (queuedId: string, receipt: string) =>
    Effect.request(new Settle({ queue: queue.name, queuedId, receipt }), resolver).pipe(Effect.retry(sqsSettleRetry))
})
