import type { QueueName } from "@devops-mcp/contract/Jobs"
import { type JobAttemptsOptions, makeJobAttempts, type TakenJob } from "@devops-mcp/core/jobs/JobAttempts"
import { type JobHandler, JobQueue, QueueError } from "@devops-mcp/core/ports/JobQueue"
import {
  jobRetry,
  queueSweeping,
  sqsDeadPolling,
  sqsEarlyDelay,
  sqsHeartbeat,
  sqsSettleRetry,
  sqsVisibility
} from "@devops-mcp/resilience/JobPolicies"
import { Duration, Effect, Latch, Layer, Predicate, type Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { rowOf, rowsOf } from "../JobRows.ts"
import { scheduledDelay } from "../ScheduledDelay.ts"
import { largestBody, makeBodies } from "./Bodies.ts"
import { makeOutbox } from "./Outbox.ts"
import { makeReceiver, type Received } from "./Receiver.ts"
import { isOlder, makeRelay } from "./Relay.ts"
import { makeSettlement } from "./Settlement.ts"
import { SqsClient } from "./SqsClient.ts"
import { type SqsQueue, SqsQueues, type SqsQueuesOptions } from "./SqsQueues.ts"
import { makeUndelivered } from "./Undelivered.ts"

export interface SqsJobQueueOptions extends SqsQueuesOptions, JobAttemptsOptions {
  /** The time between attempts, and bytes of a body before it goes elsewhere; tests differ. */
  readonly retry?: Schedule.Schedule<unknown, number>
  readonly largestBody?: number
}

const failed = (operation: QueueError["operation"]) => (cause: unknown) =>
  new QueueError({
    operation,
    retryable: !Predicate.hasProperty(cause, "retryable") || cause.retryable !== false,
    cause
  })

const make = Effect.fn("SqsJobQueue.make")(function* (options: SqsJobQueueOptions) {
  const sql = yield* SqlClient.SqlClient
  const client = yield* SqsClient
  const queues = yield* SqsQueues
  const outbox = yield* makeOutbox
  const bodies = yield* makeBodies(options.largestBody ?? largestBody)
  const runAttempt = yield* makeJobAttempts(options)
  const retry = options.retry ?? jobRetry
  const offered = Latch.makeUnsafe()
  const relay = yield* makeRelay(outbox, bodies, offered)
  const undelivered = yield* makeUndelivered(outbox, bodies, runAttempt)

  const openQueue = Effect.fnUntraced(function* (queue: SqsQueue) {
    const receiver = yield* makeReceiver(queue, outbox)
    const settle = yield* makeSettlement(queue, outbox)
    return { queue, receiver, settle }
  })
  type OpenQueue = Effect.Success<ReturnType<typeof openQueue>>
  const open = new Map<QueueName, OpenQueue>()
  for (const queue of queues.values()) open.set(queue.name, yield* openQueue(queue))

  const hide = ({ queue }: OpenQueue, receipt: string, time: Duration.Duration) =>
    client.hide(queue.url, receipt, time).pipe(
      Effect.retry(sqsSettleRetry),
      // It then comes again when its time is over.
      Effect.catch((error) => Effect.logWarning(error.message, error))
    )

  const end = ({ settle }: OpenQueue, { message, queuedId }: Received) =>
    Effect.andThen(settle(queuedId, message.receipt), bodies.remove(message.attributes))

  const work = Effect.fnUntraced(function* <E, R>(opened: OpenQueue, received: Received, handler: JobHandler<E, R>) {
    const { known, message, queuedId } = received
    // Done before, and removed too late or sent twice.
    if (known?.isSettled === true) return yield* end(opened, received)
    const forget = client.remove(opened.queue.url, [message.receipt])
    if (known !== undefined && isOlder(message.attributes, known)) return yield* forget
    // SQS keeps a group's order as long as it has a message of each job; when one is lost (purged, or kept too long), and in
    // emulators, it may not.
    if (opened.queue.isFifo && known?.isEarly === true) {
      if ((yield* outbox.resendGroup(opened.queue.name, queuedId)) > 0) return yield* forget
      // Held for a moment and shown again at once: hidden, it would keep its group from the older job.
      yield* Effect.sleep(sqsEarlyDelay)
      return yield* opened.receiver.giveBack(received)
    }
    const taken: TakenJob = {
      queue: opened.queue.name,
      queuedId,
      attempt: Math.max(1, message.receiveCount - (known?.givenBack ?? 0)),
      content: yield* bodies.read(message.body, message.attributes)
    }
    const beating = Effect.schedule(hide(opened, message.receipt, sqsVisibility), sqsHeartbeat)
    const verdict = yield* Effect.scoped(
      Effect.andThen(Effect.forkScoped(Effect.interruptible(beating)), runAttempt(taken, handler))
    )
    switch (verdict._tag) {
      case "Done":
        return yield* end(opened, received)
      case "GivenBack": {
        yield* opened.receiver.giveBack(received)
        return yield* Effect.interrupt
      }
      case "PutOff": {
        // Where the database does not take that, the attempt counts.
        yield* Effect.ignore(outbox.giveBack(opened.queue.name, queuedId), { log: "Warn" })
        return yield* hide(opened, message.receipt, verdict.delay)
      }
      case "Retry": {
        const delay = yield* scheduledDelay(retry, taken.attempt)
        return yield* hide(opened, message.receipt, Duration.max(delay, verdict.retryAfter ?? Duration.zero))
      }
    }
  })

  /** Has the relay look at once. */
  const wake = Effect.sync(() => offered.openUnsafe())

  return JobQueue.of({
    offer: Effect.fn("JobQueue.offer")(
      function* (job, options) {
        yield* outbox.add(yield* rowOf({ ...options, job }))
        yield* sql.afterCommit(wake)
      },
      Effect.mapError(failed("offer"))
    ),
    prepare: (jobs) => Effect.map(rowsOf(jobs), (rows) => ({ store: "outbox", rows, written: () => wake })),
    take: (name, handler) => {
      const opened = open.get(name)
      if (opened === undefined) return Effect.die(new Error(`There is no queue ${name}`))
      // A stop may interrupt the waiting and the handler, not what is done with the message then.
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(opened.receiver.take), (received) =>
          opened.receiver.during(
            work(opened, received, { ...handler, run: (job, metadata) => restore(handler.run(job, metadata)) })
          )
        )
      ).pipe(
        Effect.mapError(failed("take")),
        Effect.catchDefect((defect) => Effect.fail(failed("take")(defect)))
      )
    },
    stats: Effect.gen(function* () {
      const own = yield* outbox.stats
      return yield* Effect.forEach(
        own,
        ({ name, oldestAgeSeconds, unsettled }) =>
          Effect.map(client.inFlight(queues.get(name)?.url ?? ""), (inFlight) => ({
            name,
            // Our own count of what is not done: what is just being sent would be in both of SQS's and ours.
            depth: Math.max(0, unsettled - inFlight),
            inFlight,
            oldestAgeSeconds
          })),
        { concurrency: "unbounded" }
      )
    }).pipe(Effect.mapError(failed("stats")), Effect.withSpan("JobQueue.stats")),
    upkeep: Effect.gen(function* () {
      const tidy = Effect.gen(function* () {
        const again = yield* outbox.resendStuck
        if (again > 0) yield* Effect.logWarning("Jobs that never came to their end are sent again", { jobs: again })
        yield* outbox.sweep
      }).pipe(Effect.catch((error) => Effect.logWarning("The outbox could not be tidied", error)))
      yield* Effect.all([relay, Effect.schedule(tidy, queueSweeping), Effect.schedule(undelivered, sqsDeadPolling)], {
        concurrency: "unbounded",
        discard: true
      })
      return yield* Effect.never
    })
  })
})

/**
 * Jobs in Amazon SQS. They are written with the change that causes them, relayed by whoever runs the queue's upkeep, and
 * remembered until they are done; attempts are SQS's receptions without those that were given back.
 */
export const SqsJobQueue = (options: SqsJobQueueOptions) =>
  Layer.effect(JobQueue, make(options)).pipe(Layer.provide(SqsQueues.layer(options)), Layer.provide(SqsClient.layer))

/** The queues that keep an order when deliveries are to be kept in that of their repository. */
export const orderedQueues: ReadonlyArray<QueueName> = ["deliveries"]
