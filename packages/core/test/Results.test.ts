import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { Cache, CacheError } from "@devops-mcp/core/ports/Cache"
import { ObjectStore, ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { largestResult, resultPartSize, Results } from "@devops-mcp/core/results/Results"
import { TenantId } from "@devops-mcp/domain/Ids"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { resultLifetime } from "@devops-mcp/resilience/Policies"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Objects, ObjectStoreFake, principalOf } from "./Fakes.ts"

const TestLayer = Results.layer.pipe(
  Layer.provideMerge(ObjectStoreFake.pipe(Layer.provideMerge(Objects.layer))),
  Layer.provide([CacheMemory.layer, NodeCrypto.layer])
)

const newPrincipal = () => principalOf(freshId(TenantId), "agent")

const whole = Effect.fnUntraced(function* (principal: ReturnType<typeof newPrincipal>, text: string) {
  const results = yield* Results
  const { bytes, id } = yield* results.keep(principal, text)
  const first = yield* results.read(principal, id, 1)
  const rest = yield* Effect.forEach(Array.from({ length: first.parts - 1 }), (_, index) =>
    results.read(principal, id, index + 2)
  )
  return { id, bytes, parts: [first, ...rest] }
})

layer(TestLayer)("Results", (it) => {
  it.effect.prop(
    "gives back the text, in parts that tear no character",
    [
      Schema.Array(Schema.Literals(["a", "é", "漢", "😀", '"'])),
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))
    ],
    ([end, shift]) =>
      Effect.gen(function* () {
        const text = "x".repeat(shift) + "漢😀é".repeat(Math.ceil(resultPartSize / 4)) + end.join("")
        const { bytes, parts } = yield* whole(newPrincipal(), text)
        assert.strictEqual(parts.map((part) => part.text).join(""), text)
        assert.strictEqual(bytes, new TextEncoder().encode(text).length)
        assert.deepStrictEqual(
          parts.map(({ part }) => part),
          parts.map((_, index) => index + 1)
        )
        for (const part of parts) {
          assert.isAtMost(new TextEncoder().encode(part.text).length, resultPartSize + 3)
        }
      }),
    { arbitrary: { runs: 5 } }
  )

  it.effect("shows a result to nobody but its tenant's actor, and no part that it does not have", () =>
    Effect.gen(function* () {
      const results = yield* Results
      const owner = newPrincipal()
      const { id } = yield* results.keep(owner, "{}")
      assert.deepStrictEqual(yield* results.read(owner, id, 1), { text: "{}", part: 1, parts: 1, bytes: 2 })
      const strangers = [
        newPrincipal(),
        principalOf(owner.tenantId, "platform"),
        { ...owner, credential: "jwt" as const },
        { ...owner, tenantId: freshId(TenantId) }
      ]
      for (const stranger of strangers) {
        const error = yield* Effect.flip(results.read(stranger, id, 1))
        assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/NotFound")
      }
      for (const part of [0, 2, -1, 1.5, Number.NaN]) {
        assert.strictEqual(
          (yield* Effect.flip(results.read(owner, id, part)))._tag,
          "@devops-mcp/domain/Errors/NotFound"
        )
      }
    })
  )

  it.effect("keeps a result for its time, and removes it with a later one", () =>
    Effect.gen(function* () {
      const [results, objects] = [yield* Results, yield* Objects]
      const owner = newPrincipal()
      const held = () => [...objects.keys()].filter((key) => key.startsWith(`results/${owner.tenantId}/`))
      const { id } = yield* results.keep(owner, "old")
      yield* TestClock.adjust(Duration.subtract(resultLifetime, Duration.seconds(1)))
      assert.strictEqual((yield* results.read(owner, id, 1)).text, "old")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Effect.flip(results.read(owner, id, 1)))._tag, "@devops-mcp/domain/Errors/NotFound")
      assert.lengthOf(
        held().filter((key) => key.endsWith(id)),
        1
      )
      const later = yield* results.keep(owner, "new")
      assert.lengthOf(
        held().filter((key) => key.endsWith(id)),
        0
      )
      assert.lengthOf(
        held().filter((key) => key.endsWith(later.id)),
        1
      )
    })
  )

  it.effect("lists each of many that are kept at once, so that all go in the end", () =>
    Effect.gen(function* () {
      const [results, objects] = [yield* Results, yield* Objects]
      const owner = newPrincipal()
      yield* Effect.forEach(Array.from({ length: 30 }), () => results.keep(owner, "x"), { concurrency: "unbounded" })
      yield* TestClock.adjust(resultLifetime)
      yield* Effect.replicateEffect(results.keep(owner, "y"), 2)
      const kept = [...objects.keys()].filter((key) => key.startsWith(`results/${owner.tenantId}/`))
      assert.lengthOf(kept, 3)
    })
  )

  it.effect("refuses what is larger than a result may be", () =>
    Effect.gen(function* () {
      const results = yield* Results
      for (const text of ["x".repeat(largestResult + 1), "漢".repeat(largestResult / 3 + 1)]) {
        const error = yield* Effect.flip(results.keep(newPrincipal(), text))
        assert.strictEqual(error._tag, "@devops-mcp/core/results/Results/ResultTooLarge")
      }
    })
  )
})

const cacheDown = new CacheError({ operation: "setIfAbsent", cause: "down" })

describe("Results without what it needs", () => {
  it.effect("goes on without the cache", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(whole(newPrincipal(), "text"))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).parts[0]?.text, "text")
    }).pipe(
      Effect.provide(
        Results.layer.pipe(
          Layer.provide([
            ObjectStoreFake.pipe(Layer.provide(Objects.layer)),
            Layer.mock(Cache, { setIfAbsent: () => Effect.fail(cacheDown) }),
            NodeCrypto.layer
          ])
        )
      )
    )
  )

  it.effect("does not wait for ever for the objects", () =>
    Effect.gen(function* () {
      const results = yield* Results
      const fiber = yield* Effect.forkChild(Effect.flip(results.keep(newPrincipal(), "text")))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, ObjectStoreError)
    }).pipe(
      Effect.provide(
        Results.layer.pipe(
          Layer.provide([Layer.mock(ObjectStore, { get: () => Effect.never }), CacheMemory.layer, NodeCrypto.layer])
        )
      )
    )
  )
})
