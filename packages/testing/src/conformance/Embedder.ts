import { Embedder } from "@devops-mcp/core/ports/Embedder"
import { assert, layer as suite } from "@effect/vitest"
import { Effect, type Layer } from "effect"

const length = (vector: ReadonlyArray<number>) => Math.hypot(...vector)

const cosine = (a: ReadonlyArray<number>, b: ReadonlyArray<number>) => a.reduce((sum, x, n) => sum + x * b[n]!, 0)

/** What every embedder promises: unit vectors of the said size, one per text, in order, the same each time. */
export const embedderConformance = <E>(name: string, layer: Layer.Layer<Embedder, E>) =>
  suite(layer, { excludeTestServices: true, timeout: "60 seconds" })(`Embedder: ${name}`, (it) => {
    it.effect("gives one unit vector per text, in the texts' order", () =>
      Effect.gen(function* () {
        const { dimensions, embed } = yield* Embedder
        const texts = ["The deployment failed", "A cat sleeps", "The rollout did not succeed", "A cat sleeps"]
        const vectors = yield* embed(texts)
        assert.lengthOf(vectors, texts.length)
        for (const vector of vectors) {
          assert.lengthOf(vector, dimensions)
          assert.closeTo(length(vector), 1, 1e-3)
        }
        assert.closeTo(cosine(vectors[1]!, vectors[3]!), 1, 1e-3)
        assert.isBelow(cosine(vectors[0]!, vectors[1]!), 0.99)
        const alone = yield* Effect.forEach(texts, (text) => embed([text]))
        alone.forEach(([vector], n) => assert.closeTo(cosine(vector!, vectors[n]!), 1, 1e-3))
      })
    )

    it.effect("gives nothing for nothing", () =>
      Effect.gen(function* () {
        const { embed } = yield* Embedder
        assert.deepStrictEqual(yield* embed([]), [])
      })
    )

    it.effect("takes blank, odd and very long texts", () =>
      Effect.gen(function* () {
        const { dimensions, embed } = yield* Embedder
        const texts = [
          "",
          " \n\t ",
          "\u0000",
          "\ud800",
          "😀",
          "\u200b",
          "漢字",
          "x".repeat(50_000),
          "word ".repeat(20_000)
        ]
        const vectors = yield* embed(texts)
        assert.lengthOf(vectors, texts.length)
        for (const vector of vectors) {
          assert.lengthOf(vector, dimensions)
          assert.closeTo(length(vector), 1, 1e-3)
        }
      })
    )

    it.effect("answers concurrent callers each with their own", () =>
      Effect.gen(function* () {
        const { embed } = yield* Embedder
        const texts = Array.from({ length: 12 }, (_, n) => `Build number ${n * 37} of the service`)
        const apart = yield* Effect.forEach(texts, (text) => embed([text]), { concurrency: "unbounded" })
        const together = yield* embed(texts)
        together.forEach((vector, n) => assert.closeTo(cosine(vector, apart[n]![0]!), 1, 1e-3))
      })
    )
  })
