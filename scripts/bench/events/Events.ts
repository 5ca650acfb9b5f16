import { makeSqsFront } from "@devops-mcp/testing/SqsFront"
import { ConfigProvider, Duration, Effect, Layer, Option } from "effect"
import { ServerFailed, type Settings, startScript, stores } from "../Server.ts"
import { type Accepting, bareDelivery, measureAccepting } from "./Accepting.ts"
import { type Emulator, measureEmulator, removingQueues } from "./Emulator.ts"
import { atLeast, emulator, type Instance, makeInstance, type Queue, queues } from "./Instance.ts"
import { measureProcessing, type Processing, startWorker } from "./Processing.ts"
import { measureSteady, type Steady } from "./Steady.ts"

/** How long a worker is watched, and how many events it has to do at most in that time. */
const watching = { span: Duration.seconds(5), most: 2500 }

/** Messages that an emulator has at once: its own time for each grows with them. */
const mostInEmulator = 300

/** One queue's figures; what a queue does not change is measured with one of them only. */
export interface EventFigures {
  readonly queue: Queue
  readonly accepting: Accepting | undefined
  readonly steady: { readonly alone: Steady; readonly withWorker: Steady; readonly bare: Steady } | undefined
  readonly withoutVectors: Processing
  readonly withVectors: Processing | undefined
  readonly emulator: Emulator | undefined
}

const allSteady = Effect.fnUntraced(function* (instance: Instance, vectorsUrl: string) {
  // What the making of the database has left to write is not written while we measure.
  yield* instance.checkpoint
  const bare = yield* measureSteady(bareDelivery(instance))
  const alone = yield* measureSteady(instance.delivery)
  const worker = yield* startWorker(instance, vectorsUrl, "none")
  // It processes what has come so far first.
  yield* atLeast(yield* instance.accepted, instance.processed, Duration.minutes(1))
  const withWorker = yield* measureSteady(instance.delivery)
  yield* worker.stop
  return { withWorker, alone, bare }
}, Effect.scoped)

/**
 * A queue that does not keep the order has the same outbox. What is accepted here is not processed: it would all be sent,
 * and fill the emulator.
 */
const measureAcceptingWithSqs = (settings: Settings, duration: Duration.Duration) =>
  makeInstance(settings, "sqs, FIFO").pipe(
    Effect.flatMap((instance) => measureAccepting(instance, duration)),
    Effect.scoped
  )

const measureQueue = Effect.fnUntraced(function* (
  settings: Settings,
  queue: Queue,
  vectorsUrl: string,
  duration: Duration.Duration
) {
  const instance = yield* makeInstance(settings, queue)
  const isPostgres = queue === "postgres"
  if (!isPostgres) yield* removingQueues(instance.prefix)
  const isFifo = queue === "sqs, FIFO"
  // While nothing waits from before: a worker then has no more to do than what comes.
  const steady = isPostgres ? yield* allSteady(instance, vectorsUrl) : undefined
  const accepting = isPostgres ? yield* measureAccepting(instance, duration) : undefined
  const most = isPostgres ? watching.most : mostInEmulator
  const withoutVectors = yield* measureProcessing(instance, vectorsUrl, "none", most, watching.span)
  const withVectors =
    queue === "sqs, standard"
      ? undefined
      : yield* measureProcessing(instance, vectorsUrl, "local", isPostgres ? watching.most : 100, watching.span)
  const bare = isPostgres ? undefined : yield* measureEmulator(instance.prefix, isFifo ? "fifo" : "standard")
  return {
    queue,
    accepting: isFifo ? yield* measureAcceptingWithSqs(settings, duration) : accepting,
    steady,
    withoutVectors,
    withVectors,
    emulator: bare
  } satisfies EventFigures
}, Effect.scoped)

/** What asks the emulator asks its front: it would lose messages, and of a lost one the rest of its group waits. */
const throughFront = (moto: string) =>
  Layer.unwrap(
    Effect.map(makeSqsFront(moto), ({ url }) =>
      ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ AWS_ENDPOINT_URL: url }), { asPrimary: true })
    )
  )

/** On a PostgreSQL server, with jobs in it and, where there is an emulator of it, in Amazon SQS; or one of these only. */
export const measureEvents = Effect.fnUntraced(function* (
  settings: Settings,
  duration: Duration.Duration,
  only: Option.Option<Queue>
) {
  if (Option.isNone((yield* stores).database)) {
    return yield* new ServerFailed({ detail: "The part events needs a PostgreSQL server at DATABASE_URL" })
  }
  const vectors = yield* startScript("events/Vectors.ts", [])
  const moto = yield* emulator
  const there: ReadonlyArray<Queue> = Option.isSome(moto) ? queues : ["postgres"]
  const wanted = there.filter((queue) => Option.getOrElse(only, () => queue) === queue)
  return yield* Effect.forEach(wanted, (queue) => measureQueue(settings, queue, vectors.url, duration)).pipe(
    Effect.provide(
      Option.match(moto, { onNone: () => Layer.empty, onSome: (own) => throughFront(own.AWS_ENDPOINT_URL) })
    )
  )
}, Effect.scoped)
