import { Clock, Duration, Effect } from "effect"
import { load } from "../Load.ts"
import { usage } from "../Server.ts"
import { atLeast, type Instance } from "./Instance.ts"

/** Events that a worker processes before it counts: its code is fast by then, and its model loaded. */
const warmUp = 40

/** How long it may take to process those, and the others. */
const longest = Duration.seconds(60)

/** Whose vectors the events get. */
export type Vectors = "none" | "local"

export interface Processing {
  readonly events: number
  readonly perSecond: number
  /** Milliseconds of the worker's processor time for one event. */
  readonly cpuMillis: number
}

/** Has the API accept deliveries until so many of them wait to be processed. */
const fill = Effect.fnUntraced(function* ({ accepted, delivery, processed }: Instance, wanted: number) {
  let waiting = (yield* accepted) - (yield* processed)
  while (waiting < wanted) {
    const { answered } = yield* load([delivery], Duration.millis(100))
    waiting += answered
  }
})

/** A worker whose vectors come from the local model, or at once from a server that makes none. */
export const startWorker = ({ launch }: Instance, vectorsUrl: string, vectors: Vectors) =>
  launch(
    "worker",
    vectors === "local"
      ? {}
      : {
          EMBEDDING_PROVIDER: "openai",
          OPENAI_BASE_URL: `${vectorsUrl}/v1`,
          OPENAI_API_KEY: "bench",
          EMBEDDING_MODEL: "bench"
        }
  )

/** Events that one worker, started on deliveries that wait, processes in a while: from the job to what can be searched. */
export const measureProcessing = Effect.fnUntraced(function* (
  instance: Instance,
  vectorsUrl: string,
  vectors: Vectors,
  wanted: number,
  span: Duration.Duration
) {
  yield* fill(instance, wanted + warmUp)
  const before = yield* instance.processed
  const worker = yield* startWorker(instance, vectorsUrl, vectors)
  const clock = yield* Clock.Clock
  const first = yield* atLeast(before + warmUp, instance.processed, longest)
  const startedAt = clock.currentTimeNanosUnsafe()
  const { cpuSeconds: cpuBefore } = yield* usage(worker)
  yield* Effect.raceFirst(Effect.sleep(span), atLeast(before + warmUp + wanted, instance.processed, longest))
  const last = yield* instance.processed
  const seconds = Number(clock.currentTimeNanosUnsafe() - startedAt) / 1e9
  const { cpuSeconds } = yield* usage(worker)
  yield* worker.stop
  const events = last - first
  return {
    events,
    perSecond: events / seconds,
    cpuMillis: ((cpuSeconds - cpuBefore) / events) * 1000
  } satisfies Processing
}, Effect.scoped)
