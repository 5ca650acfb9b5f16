import type { Chunker } from "@devops-mcp/core/ports/Chunker"
import { Embedder, type EmbedderError } from "@devops-mcp/core/ports/Embedder"
import type { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { embeddingDuration } from "@devops-mcp/observability/Metrics"
import { Config, Duration, Effect, Layer, Metric } from "effect"
import * as ChunkerLive from "./Chunker.ts"
import * as LocalEmbedder from "./LocalEmbedder.ts"
import * as OpenAiEmbedder from "./OpenAiEmbedder.ts"
import * as TokenCounterLive from "./TokenCounter.ts"

/** Whose vectors. */
export const embeddingProvider = Config.Literals(["local", "openai"], "EMBEDDING_PROVIDER").pipe(
  Config.withDefault("local")
)

const embedder = Layer.unwrap(
  Effect.map(embeddingProvider, (provider) => (provider === "openai" ? OpenAiEmbedder.layer : LocalEmbedder.layer))
)

/** Whoever embeds, its calls are timed. */
const Timed = Layer.effect(
  Embedder,
  Effect.map(Embedder, ({ dimensions, embed, model }) => {
    const duration = Metric.withAttributes(embeddingDuration, { model })
    return Embedder.of({
      model,
      dimensions,
      embed: (texts) => Effect.trackDuration(embed(texts), duration, Duration.toSeconds)
    })
  })
)

/** Everything that turns text into passages, tokens and vectors; `EMBEDDING_PROVIDER` says whose vectors. */
export const EmbeddingsLive: Layer.Layer<Embedder | TokenCounter | Chunker, Config.ConfigError | EmbedderError> =
  Layer.merge(Layer.provide(Timed, embedder), ChunkerLive.layer).pipe(Layer.provideMerge(TokenCounterLive.layer))
