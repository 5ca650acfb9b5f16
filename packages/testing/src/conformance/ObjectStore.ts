import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { assert, layer as suite } from "@effect/vitest"
import { Effect, type Layer, Option, Random } from "effect"

const fresh = Effect.map(Random.nextInt, (n) => `conformance/${n}`)

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

const refusedKeys = [
  "",
  "..",
  "a/../b",
  "../../etc/passwd",
  "a..b",
  " ",
  "a b",
  "a\u0000b",
  "é",
  "a\\b",
  "~",
  "%2e",
  "\n",
  "x".repeat(501)
]

const allowedEnds = ["", "/a", "/A", "/a/b", "/.a", "/-rf", "/a/./b", "//a", "/", "_", ".", `/${"x".repeat(460)}`]

/** What every object store promises: whole objects, replaced as a whole, under keys that stay apart. */
export const objectStoreConformance = <E>(name: string, layer: Layer.Layer<ObjectStore, E>) =>
  suite(layer, { excludeTestServices: true })(`ObjectStore: ${name}`, (it) => {
    it.effect("gives back what was put last, and nothing for what was not", () =>
      Effect.gen(function* () {
        const store = yield* ObjectStore
        const key = yield* fresh
        assert.deepStrictEqual(yield* store.get(key), Option.none())
        const large = Uint8Array.from({ length: 3_000_000 }, (_, n) => n % 251)
        for (const body of [bytes(1, 0, 255), bytes(), large, bytes(2)]) {
          yield* store.put(key, body)
          const got = yield* store.get(key)
          assert.isTrue(Option.isSome(got) && Buffer.from(got.value).equals(body))
        }
        yield* store.delete(key)
        assert.deepStrictEqual(yield* store.get(key), Option.none())
      })
    )

    it.effect("deletes what is not there", () =>
      Effect.gen(function* () {
        const store = yield* ObjectStore
        yield* store.delete(yield* fresh)
      })
    )

    it.effect("keeps all keys apart", () =>
      Effect.gen(function* () {
        const store = yield* ObjectStore
        const key = yield* fresh
        const keys = allowedEnds.map((end) => key + end)
        yield* Effect.forEach(keys, (one, n) => store.put(one, bytes(n)), { concurrency: 4 })
        for (const [n, one] of keys.entries()) {
          assert.deepStrictEqual(
            Option.map(yield* store.get(one), (body) => [...body]),
            Option.some([n])
          )
        }
        yield* store.delete(keys[1]!)
        assert.isTrue(Option.isNone(yield* store.get(keys[1]!)))
        assert.isTrue(Option.isSome(yield* store.get(keys[2]!)))
        yield* Effect.forEach(keys, (one) => store.delete(one))
      })
    )

    it.effect("refuses keys outside the allowed ones, in every operation", () =>
      Effect.gen(function* () {
        const store = yield* ObjectStore
        for (const key of refusedKeys) {
          assert.deepInclude(yield* Effect.flip(store.put(key, bytes(1))), { operation: "put", retryable: false })
          assert.deepInclude(yield* Effect.flip(store.get(key)), { operation: "get", retryable: false })
          assert.deepInclude(yield* Effect.flip(store.delete(key)), { operation: "delete", retryable: false })
        }
      })
    )

    it.effect("shows readers a whole object while it is replaced", () =>
      Effect.gen(function* () {
        const store = yield* ObjectStore
        const key = yield* fresh
        const body = (n: number) => new Uint8Array(200_000).fill(n)
        yield* store.put(key, body(0))
        const rounds = Array.from({ length: 24 }, (_, n) => n)
        const [, seen] = yield* Effect.all(
          [
            Effect.forEach(rounds, (n) => store.put(key, body(n)), { concurrency: 8 }),
            Effect.forEach(rounds, () => store.get(key), { concurrency: 8 })
          ],
          { concurrency: 2 }
        )
        for (const one of seen) {
          const read = Option.getOrThrow(one)
          assert.lengthOf(read, 200_000)
          assert.isTrue(read.every((byte) => byte === read[0]))
        }
        yield* store.delete(key)
      })
    )
  })
