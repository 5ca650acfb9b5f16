import { Chunker } from "@devops-mcp/core/ports/Chunker"
import { Embedder } from "@devops-mcp/core/ports/Embedder"
import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { EmbeddingsLive } from "../src/EmbeddingsLive.ts"

const live = (environment: Record<string, string>) =>
  EmbeddingsLive.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))), Layer.fresh)

const chosen = Effect.gen(function* () {
  yield* Chunker
  yield* TokenCounter
  const { dimensions, model } = yield* Embedder
  return { dimensions, model }
})

describe("EmbeddingsLive", () => {
  it.effect("is local unless told otherwise", () =>
    Effect.gen(function* () {
      for (const environment of [{}, { EMBEDDING_PROVIDER: "local" }] as const) {
        assert.deepStrictEqual(yield* Effect.provide(chosen, live(environment)), {
          model: "use-lite-512",
          dimensions: 512
        })
      }
    })
  )

  it.effect("is OpenAI when told so, of the model asked for", () =>
    Effect.gen(function* () {
      const openai = { EMBEDDING_PROVIDER: "openai", OPENAI_API_KEY: "sk-x" }
      assert.deepStrictEqual(yield* Effect.provide(chosen, live(openai)), {
        model: "text-embedding-3-small",
        dimensions: 1_536
      })
      assert.deepInclude(
        yield* Effect.provide(chosen, live({ ...openai, EMBEDDING_MODEL: "text-embedding-3-large" })),
        { dimensions: 3_072 }
      )
    })
  )

  const wrong: ReadonlyArray<readonly [string, Record<string, string>]> = [
    ["EMBEDDING_PROVIDER", { EMBEDDING_PROVIDER: "s3cret" }],
    ["OPENAI_API_KEY", { EMBEDDING_PROVIDER: "openai" }],
    ["OPENAI_BASE_URL", { EMBEDDING_PROVIDER: "openai", OPENAI_API_KEY: "s3cret", OPENAI_BASE_URL: "s3cret" }]
  ]
  for (const [variable, environment] of wrong) {
    it.effect(`names ${variable} when it is wrong, and not its value`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.provide(chosen, live(environment)))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, variable)
        assert.notInclude(error.message, "s3cret")
      })
    )
  }
})
