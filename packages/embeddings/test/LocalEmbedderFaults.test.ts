import { Embedder, type EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { modelCallsWaiting, modelIdleTime, modelTextTimeout } from "@devops-mcp/resilience/Policies"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import * as LocalEmbedder from "../src/LocalEmbedder.ts"

const faulty = LocalEmbedder.layerScript(new URL("./fixtures/FaultyModel.ts", import.meta.url))
const broken = LocalEmbedder.layerScript(new URL("./fixtures/BrokenModel.ts", import.meta.url))

/** Texts as the thread receives them. */
const received = Effect.gen(function* () {
  const texts = yield* Queue.unbounded<string>()
  const channel = yield* Effect.acquireRelease(
    Effect.sync(() => new BroadcastChannel("FaultyModel")),
    (channel) => Effect.sync(() => channel.close())
  )
  yield* Effect.sync(() => {
    channel.onmessage = ({ data }) => Queue.offerUnsafe(texts, String(data))
  })
  return (text: string) => Effect.repeat(Queue.take(texts), { until: (one) => one === text })
})

/** Which thread answered: the fixture hides its number in the direction of the vector. */
const thread = Effect.map(
  Effect.flatMap(Embedder, ({ embed }) => embed(["fine"])),
  ([vector]) => Math.round(vector![0]! / vector![1]!)
)

describe("LocalEmbedder with a faulty model", () => {
  for (const fault of ["crash", "exit", "nonsense"]) {
    it.effect(`survives a thread that answers with ${fault}, on a new one`, () =>
      Effect.gen(function* () {
        const { embed } = yield* Embedder
        const before = yield* thread
        const error: EmbedderError = yield* Effect.flip(embed([fault]))
        assert.deepInclude(error, { operation: "embed", retryable: true })
        assert.notStrictEqual(yield* thread, before)
      }).pipe(Effect.provide(faulty))
    )
  }

  for (const fault of ["refuse", "zero", "short"]) {
    it.effect(`keeps the thread when the model answers with ${fault}`, () =>
      Effect.gen(function* () {
        const { embed } = yield* Embedder
        const before = yield* thread
        assert.deepInclude(yield* Effect.flip(embed(["fine", fault])), { operation: "embed", retryable: false })
        assert.strictEqual(yield* thread, before)
      }).pipe(Effect.provide(faulty))
    )
  }

  it.effect("replaces a thread that does not answer in time", () =>
    Effect.gen(function* () {
      const { embed } = yield* Embedder
      const has = yield* received
      const before = yield* thread
      const hanging = yield* Effect.forkChild(Effect.flip(embed(["hang"])))
      yield* has("hang")
      yield* TestClock.adjust(modelTextTimeout)
      assert.isTrue((yield* Fiber.join(hanging)).retryable)
      assert.notStrictEqual(yield* thread, before)
    }).pipe(Effect.provide(faulty))
  )

  it.effect("goes on with the next caller when one is interrupted", () =>
    Effect.gen(function* () {
      const { embed } = yield* Embedder
      const has = yield* received
      const before = yield* thread
      const hanging = yield* Effect.forkChild(embed(["slow", "never sent"]))
      yield* has("slow")
      yield* Fiber.interrupt(hanging)
      assert.strictEqual(yield* thread, before)
    }).pipe(Effect.provide(faulty))
  )

  it.effect("refuses calls beyond those that may wait", () =>
    Effect.gen(function* () {
      const { embed } = yield* Embedder
      const has = yield* received
      const waiting = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: modelCallsWaiting }), () => embed(["slow"]), { concurrency: "unbounded" })
      )
      yield* has("slow")
      assert.isTrue((yield* Effect.flip(embed(["one more"]))).retryable)
      yield* Fiber.interrupt(waiting)
      assert.isAbove(yield* thread, 0)
    }).pipe(Effect.provide(faulty))
  )

  it.effect("ends the thread when idle, and starts another when needed", () =>
    Effect.gen(function* () {
      const before = yield* thread
      yield* TestClock.adjust(modelIdleTime)
      assert.notStrictEqual(yield* thread, before)
    }).pipe(Effect.provide(faulty))
  )

  it.effect("says that the model cannot be loaded, each time it is asked", () =>
    Effect.gen(function* () {
      const { embed } = yield* Embedder
      for (const _ of [1, 2]) {
        const error = yield* Effect.flip(embed(["fine"]))
        assert.deepInclude(error, { operation: "load", retryable: true })
        assert.include(String(error.cause), "the model's files are missing")
      }
    }).pipe(Effect.provide(broken))
  )
})
