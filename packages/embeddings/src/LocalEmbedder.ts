import { Embedder, EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { modelCallsWaiting, modelIdleTime } from "@devops-mcp/resilience/Policies"
import { Effect, Layer, Option, RcRef, Semaphore } from "effect"
import { start } from "./ModelThread.ts"
import { blankVector, unit } from "./Vectors.ts"

const model = "use-lite-512"
const dimensions = 512

/** The model's time grows with the text; of a longer one it sees the beginning. */
const longestText = 4_000

const refused = (retryable: boolean, cause: string) => new EmbedderError({ operation: "embed", retryable, cause })

const make = Effect.fnUntraced(function* (script: URL) {
  const thread = yield* RcRef.make({ acquire: start(script), idleTimeToLive: modelIdleTime })
  const turn = yield* Semaphore.make(1)
  const waiting = yield* Semaphore.make(modelCallsWaiting)
  const blank = blankVector(dimensions)

  const embedOne = Effect.fnUntraced(
    function* (text: string) {
      const { embed } = yield* RcRef.get(thread)
      const vector = unit(yield* embed(text.slice(0, longestText)))
      if (vector?.length !== dimensions)
        return yield* refused(false, `The model gave ${vector?.length ?? "no"} numbers`)
      return vector
    },
    Effect.tapError((error) => (error.retryable ? RcRef.invalidate(thread) : Effect.void)),
    Effect.scoped,
    turn.withPermit
  )

  const embed = Effect.fn("LocalEmbedder.embed")(function* (texts: ReadonlyArray<string>) {
    yield* Effect.annotateCurrentSpan({ model, texts: texts.length })
    const vectors = yield* Effect.forEach(texts, (text) =>
      text.trim() === "" ? Effect.succeed(blank) : embedOne(text)
    ).pipe(waiting.withPermitsIfAvailable(1))
    if (Option.isNone(vectors)) return yield* refused(true, `${modelCallsWaiting} calls wait for the model already`)
    return vectors.value
  })

  return Embedder.of({ model, dimensions, embed })
})

/** The local embedder over another script than the model's; it answers as `LocalModelWorker` does. */
export const layerScript = (script: URL): Layer.Layer<Embedder> => Layer.effect(Embedder, make(script))

/**
 * Universal Sentence Encoder lite, from the npm package, in a thread of its own: English, 512 numbers, no network. The
 * thread starts with the first text and ends when idle, so that starting the program does not wait for it. Callers take
 * turns text by text, so a short query passes a long document; a thread that crashed is replaced for the next text.
 */
export const layer: Layer.Layer<Embedder> = layerScript(new URL("./LocalModelWorker.ts", import.meta.url))
