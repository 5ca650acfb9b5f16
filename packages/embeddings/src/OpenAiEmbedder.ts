import { Embedder, EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { makeBreaker, type OpenCircuit } from "@devops-mcp/observability/Breakers"
import { embeddingBreaker } from "@devops-mcp/resilience/Outages"
import { embeddingConcurrency, embeddingRequestRetry, embeddingRequestTimeout } from "@devops-mcp/resilience/Policies"
import { Clock, Config, Duration, Effect, Layer, Option, Redacted, Result, Schema, Semaphore } from "effect"
import { Headers } from "effect/http"
import type { APIError, OpenAI } from "openai"
import { blankVector, unit } from "./Vectors.ts"

const config = Config.all({
  apiKey: Config.Redacted("OPENAI_API_KEY"),
  baseUrl: Config.URL("OPENAI_BASE_URL").pipe(Config.withDefault(new URL("https://api.openai.com/v1"))),
  model: Config.NonEmptyString("EMBEDDING_MODEL").pipe(Config.withDefault("text-embedding-3-small"))
})

/** A model that is not here is asked once for the size of its vectors, when the layer is built. */
const knownDimensions = new Map([
  ["text-embedding-3-small", 1_536],
  ["text-embedding-3-large", 3_072],
  ["text-embedding-ada-002", 1_536]
])

/** The API's limits are 2,048 texts, 300,000 tokens, and 8,192 tokens a text, by its models' own older tokenizer. */
const limits = { texts: 256, tokens: 100_000, textTokens: 7_500, characters: 60_000 }

/** So many characters are within the limit of tokens in any script, as a character takes three bytes at most. */
const surelyFits = 2_500

const Answer = Schema.Struct({
  data: Schema.Array(Schema.Struct({ index: Schema.Int, embedding: Schema.Array(Schema.Finite) }))
})

const decodeAnswer = Schema.decodeUnknownEffect(Answer)

const quotaSpent = "insufficient_quota"

/** What the API said. The cause never is the SDK's error: the API repeats the key in what it says of a wrong one. */
const refused = (error: APIError, now: number) => {
  const status = error.status
  const retryable =
    status === undefined ||
    ((status === 408 || status === 409 || status === 429 || status >= 500) && error.code !== quotaSpent)
  const wait = Option.fromNullishOr(error.headers?.get("retry-after")).pipe(
    Option.flatMap((header) => Result.getSuccess(Headers.parseRetryAfter(header))),
    Option.map((retryAfter) => Duration.toMillis(Headers.retryAfterDelay(retryAfter, now)))
  )
  const said = status === 401 || status === 403 ? `${status} The API key was refused` : error.message
  return new EmbedderError({
    operation: "embed",
    retryable,
    cause: said,
    ...(status === undefined ? {} : { status }),
    ...(Option.isNone(wait) ? {} : { retryAfter: wait.value })
  })
}

const unusable = (retryable: boolean) => (cause: unknown) => new EmbedderError({ operation: "embed", retryable, cause })

const onOpen = ({ failure, retryAfter }: OpenCircuit<EmbedderError>) =>
  new EmbedderError({
    operation: "embed",
    retryable: true,
    outage: true,
    retryAfter,
    cause: failure?.cause ?? "The API has not answered lately and is not asked for a while",
    ...(failure?.status === undefined ? {} : { status: failure.status })
  })

const make = Effect.gen(function* () {
  const { apiKey, baseUrl, model } = yield* config
  const counter = yield* TokenCounter
  const sdk = yield* Effect.promise(() => import("openai"))
  const slots = yield* Semaphore.make(embeddingConcurrency)
  const breaker = yield* makeBreaker("embeddings", embeddingBreaker)
  const client: OpenAI = new sdk.OpenAI({
    apiKey: Redacted.value(apiKey),
    baseURL: baseUrl.href,
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
    logLevel: "off",
    maxRetries: 0,
    timeout: Duration.toMillis(embeddingRequestTimeout)
  })

  const request = Effect.fnUntraced(
    function* (input: ReadonlyArray<string>) {
      const now = yield* Clock.currentTimeMillis
      const answer = yield* Effect.tryPromise({
        try: (signal) => client.embeddings.create({ model, input: [...input] }, { signal }),
        catch: (cause) => (cause instanceof sdk.APIError ? refused(cause, now) : unusable(true)(cause))
      }).pipe(
        Effect.timeoutOrElse({
          duration: embeddingRequestTimeout,
          orElse: () => Effect.fail(unusable(true)(`No answer in ${Duration.format(embeddingRequestTimeout)}`))
        })
      )
      const { data } = yield* Effect.mapError(decodeAnswer(answer), unusable(false))
      const vectors = new Map(data.map(({ embedding, index }) => [index, unit(embedding)]))
      return yield* Effect.forEach(input, (_, n) => {
        const vector = vectors.get(n)
        return vector === undefined ? Effect.fail(unusable(false)(`No vector for text ${n}`)) : Effect.succeed(vector)
      })
    },
    Effect.retry(embeddingRequestRetry),
    (call) => breaker.protect(call, { onOpen }),
    slots.withPermit
  )

  const shorten = (text: string) => {
    const beginning = text.slice(0, limits.characters)
    return counter.count(beginning) > limits.textTokens ? beginning.slice(0, surelyFits) : beginning
  }

  const batchesOf = (texts: ReadonlyArray<string>) => {
    const batches: Array<Array<string>> = []
    let room = 0
    for (const text of texts) {
      const tokens = counter.count(text)
      const batch = batches.at(-1)
      if (batch === undefined || batch.length >= limits.texts || tokens > room) {
        batches.push([text])
        room = limits.tokens - tokens
      } else {
        batch.push(text)
        room -= tokens
      }
    }
    return batches
  }

  const dimensions = knownDimensions.get(model) ?? (yield* request(["dimensions"]))[0]!.length
  const blank = blankVector(dimensions)

  const embed = Effect.fn("OpenAiEmbedder.embed")(function* (texts: ReadonlyArray<string>) {
    yield* Effect.annotateCurrentSpan({ model, texts: texts.length })
    const worded = texts.filter((text) => text.trim() !== "").map(shorten)
    const batches = yield* Effect.forEach(batchesOf(worded), request, { concurrency: embeddingConcurrency })
    const vectors = batches.flat().values()
    return yield* Effect.forEach(texts, (text) => {
      const vector = text.trim() === "" ? blank : vectors.next().value
      return vector?.length === dimensions
        ? Effect.succeed(vector)
        : Effect.fail(unusable(false)(`The model gave ${vector?.length ?? "no"} numbers instead of ${dimensions}`))
    })
  })

  return Embedder.of({ model, dimensions, embed })
})

/**
 * The embeddings API of OpenAI, or of a server that speaks it at `OPENAI_BASE_URL`. The one place that retries its
 * requests; a text over the model's limit is represented by its beginning. While the API does not answer it is not asked.
 */
export const layer: Layer.Layer<Embedder, Config.ConfigError | EmbedderError, TokenCounter> = Layer.effect(
  Embedder,
  make
)
