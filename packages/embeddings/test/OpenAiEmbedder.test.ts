import { Embedder } from "@devops-mcp/core/ports/Embedder"
import { embeddingBreaker } from "@devops-mcp/resilience/Outages"
import { embeddingRequestTimeout, longestRetryAfter } from "@devops-mcp/resilience/Policies"
import { embedderConformance } from "@devops-mcp/testing/conformance/Embedder"
import * as Server from "@devops-mcp/testing/EmbeddingsServer"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import * as OpenAiEmbedder from "../src/OpenAiEmbedder.ts"
import * as TokenCounter from "../src/TokenCounter.ts"

const embedderOf = (environment: Record<string, string>) =>
  OpenAiEmbedder.layer.pipe(
    Layer.provide(TokenCounter.layer),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
  )

const fresh = Layer.unwrap(
  Effect.map(Server.make(1_536), ({ url }) => embedderOf({ OPENAI_API_KEY: Server.apiKey, OPENAI_BASE_URL: url }))
)

embedderConformance("OpenAiEmbedder", fresh)

const setup = Effect.fnUntraced(function* (environment: Record<string, string> = {}, dimensions = 1_536) {
  const server = yield* Server.make(dimensions)
  const context = yield* Layer.build(
    embedderOf({ OPENAI_API_KEY: Server.apiKey, OPENAI_BASE_URL: server.url, ...environment })
  )
  return { server, embedder: yield* Embedder.pipe(Effect.provide(context)) }
})

/** Runs the effect while the clock goes on, slowly: the server is in this event loop and answers within few of its turns. */
const passing = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.raceFirst(Effect.timed(effect), Effect.forever(Effect.andThen(TestClock.adjust("20 millis"), Effect.yieldNow)))

describe("OpenAiEmbedder", () => {
  it.effect("asks for the configured model, in batches of a bounded size", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup({ EMBEDDING_MODEL: "text-embedding-3-small" })
      const vectors = yield* embedder.embed(Array.from({ length: 600 }, (_, n) => `text ${n}`))
      assert.lengthOf(vectors, 600)
      assert.deepStrictEqual(
        server.requests.map(({ input }) => input.length).toSorted((a, b) => a - b),
        [88, 256, 256]
      )
      assert.isTrue(server.requests.every(({ model }) => model === "text-embedding-3-small"))
      server.requests.length = 0
      yield* embedder.embed(Array.from({ length: 60 }, () => "seven tokens are in this one. ".repeat(800)))
      assert.isAbove(server.requests.length, 2)
    })
  )

  it.effect("asks an unknown model once for the size of its vectors", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup({ EMBEDDING_MODEL: "nomic-embed-text" }, 768)
      assert.deepInclude(embedder, { model: "nomic-embed-text", dimensions: 768 })
      assert.lengthOf(server.requests, 1)
    })
  )

  it.effect("sends no blank text and nothing for nothing", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup()
      yield* embedder.embed([])
      yield* embedder.embed(["", " "])
      assert.lengthOf(server.requests, 0)
    })
  )

  it.effect("tries again what may succeed later", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup()
      for (const fault of [{ status: 500 }, { status: 503 }, { status: 429 }, "reset"] as const) {
        server.faults.push(fault)
        server.requests.length = 0
        const [, [vector]] = yield* passing(embedder.embed(["text"]))
        assert.lengthOf(vector!, 1_536)
        assert.lengthOf(server.requests, 2)
      }
    })
  )

  it.effect("waits as long as the API asks, not less", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup()
      server.faults.push({ status: 429, headers: { "retry-after": "7" } })
      const [elapsed] = yield* passing(embedder.embed(["text"]))
      assert.isAtLeast(Duration.toSeconds(elapsed), 7)
      assert.lengthOf(server.requests, 2)
    })
  )

  it.effect("does not wait longer than a call should, and says how long it was asked to", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup()
      const seconds = Duration.toSeconds(longestRetryAfter) + 1
      server.faults.push({ status: 429, headers: { "retry-after": `${seconds}` } })
      const error = yield* Effect.flip(embedder.embed(["text"]))
      assert.deepInclude(error, { retryable: true, status: 429, retryAfter: seconds * 1_000 })
      assert.lengthOf(server.requests, 1)
    })
  )

  it.effect("gives up on what will not succeed, at once", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup()
      const faults: ReadonlyArray<readonly [Server.Fault, number | undefined]> = [
        [{ status: 400 }, 400],
        [{ status: 404 }, 404],
        [{ status: 429, code: "insufficient_quota" }, 429],
        [{ body: { data: [{ index: "first", embedding: [] }] } }, undefined],
        [{ body: { data: [] } }, undefined],
        [{ body: { data: [{ index: 0, embedding: [1, 2, 3] }] } }, undefined]
      ]
      for (const [fault, status] of faults) {
        server.faults.push(fault)
        const error = yield* Effect.flip(embedder.embed(["text"]))
        assert.deepInclude(error, { operation: "embed", retryable: false })
        assert.strictEqual(error.status, status)
      }
      assert.lengthOf(server.requests, faults.length)
    })
  )

  it.effect("does not repeat the key that was refused", () =>
    Effect.gen(function* () {
      const { embedder } = yield* setup({ OPENAI_API_KEY: "sk-wrong-secret" })
      const error = yield* Effect.flip(embedder.embed(["text"]))
      assert.deepInclude(error, { retryable: false, status: 401 })
      assert.notInclude(inspect(error, { depth: 9 }), "sk-wrong-secret")
    })
  )

  it.effect("gives up after a bounded number of requests that were not answered in time", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup()
      server.faults.push("hang", "hang", "hang", "hang")
      const [elapsed, error] = yield* passing(Effect.flip(embedder.embed(["text"])))
      assert.isAtLeast(Duration.toMillis(elapsed), 4 * Duration.toMillis(embeddingRequestTimeout))
      assert.isTrue(error.retryable)
      assert.lengthOf(server.requests, 4)
    })
  )

  it.effect("asks an API that answers nobody no more for a while, says so, and tries it again then", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup()
      const failed = Effect.map(passing(Effect.flip(embedder.embed(["text"]))), ([, error]) => error)
      server.faults.push(...Array.from({ length: 12 }, () => ({ status: 503 })))
      for (let call = 1; call < embeddingBreaker.failures; call++) {
        assert.isUndefined((yield* failed).outage)
      }
      assert.deepInclude(yield* failed, { retryable: true, outage: true, status: 503 })
      assert.lengthOf(server.requests, 12)
      const { outage, retryAfter = 0 } = yield* Effect.flip(embedder.embed(["text"]))
      assert.isTrue(outage)
      assert.isAbove(retryAfter, 1_000)
      assert.lengthOf(server.requests, 12)
      yield* TestClock.adjust(Duration.millis(retryAfter))
      yield* passing(embedder.embed(["text"]))
      assert.lengthOf(server.requests, 13)
    })
  )

  it.effect("goes on asking when it is what we ask that is wrong", () =>
    Effect.gen(function* () {
      const { embedder, server } = yield* setup()
      for (let call = 1; call <= 2 * embeddingBreaker.failures; call++) {
        server.faults.push({ status: 400 })
        assert.isUndefined((yield* Effect.flip(embedder.embed(["text"]))).outage)
      }
      assert.lengthOf(server.requests, 2 * embeddingBreaker.failures)
    })
  )
})
