import type { Chunker } from "@devops-mcp/core/ports/Chunker"
import type { Embedder, EmbedderError } from "@devops-mcp/core/ports/Embedder"
import type { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { Config, Effect, Layer } from "effect"
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

/** Everything that turns text into passages, tokens and vectors; `EMBEDDING_PROVIDER` says whose vectors. */
export const EmbeddingsLive: Layer.Layer<Embedder | TokenCounter | Chunker, Config.ConfigError | EmbedderError> =
  Layer.merge(embedder, ChunkerLive.layer).pipe(Layer.provideMerge(TokenCounterLive.layer))
