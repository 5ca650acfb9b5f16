import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { ObjectStore, ObjectStoreError } from "@devops-mcp/core/ports/ObjectStore"
import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { Results } from "@devops-mcp/core/results/Results"
import { ResultId } from "@devops-mcp/domain/Ids"
import * as Tokens from "@devops-mcp/embeddings/TokenCounter"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it, layer } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Arbitrary, Effect, Layer, Option, Schema } from "effect"
import { objectSchema, type ToolOutcome } from "../src/registry/RegisteredTool.ts"
import { makeResultLimit, type ResultTraits, resultTokenLimit } from "../src/registry/ResultLimit.ts"
import { principalOf } from "./Fakes.ts"

const objects = () => {
  const kept = new Map<string, Uint8Array>()
  return ObjectStore.of({
    put: (key, body) => Effect.sync(() => void kept.set(key, body)),
    get: (key) => Effect.sync(() => Option.fromUndefinedOr(kept.get(key))),
    delete: (key) => Effect.sync(() => void kept.delete(key))
  })
}

const over = (store: Layer.Layer<ObjectStore>) =>
  Results.layer.pipe(Layer.provide([store, CacheMemory.layer, NodeCrypto.layer]), Layer.provideMerge(Tokens.layer))

const TestLayer = over(Layer.sync(ObjectStore, objects))

const reads: ResultTraits = { changes: false, arguments: [] }
const principal = principalOf("agent")

const limited = (traits: ResultTraits, value: Schema.JsonObject) =>
  Effect.flatMap(makeResultLimit, (within) => within(principal, traits, {}, () => Effect.succeed(value)))

const resultOf = (outcome: ToolOutcome) => {
  assert.strictEqual(outcome._tag, "Result")
  const nothing: Schema.JsonObject = {}
  return outcome._tag === "Result" ? outcome : { structured: nothing, text: "", links: [] }
}

const tokensOf = (text: string) => Effect.map(TokenCounter, (counter) => counter.count(text))

/** What a link of a result leads to. */
const linked = Effect.fnUntraced(function* (outcome: ToolOutcome) {
  const [link] = resultOf(outcome).links ?? []
  const uri = String(link?.["uri"])
  assert.match(uri, /^result:\/\//)
  const results = yield* Results
  const first = yield* results.read(principal, ResultId.make(uri.slice("result://".length)), 1)
  return { link, text: first.text, parts: first.parts }
})

interface Shape {
  readonly schema: Schema.JsonObject
  readonly value: Schema.Json
}

const one = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })))
const longTexts = ["word ".repeat(250), "漢字".repeat(400), '\\"'.repeat(300), "😀".repeat(501)]

const leaf: Arbitrary.Arbitrary<Shape> = Arbitrary.map(one, (n): Shape => {
  if (n === 0) return { schema: { type: "string", enum: ["a", "b"] }, value: "b" }
  if (n === 1) return { schema: { type: ["number", "null"] }, value: null }
  if (n === 2) return { schema: { type: "integer", minimum: 1_000 }, value: 123_456_789 }
  if (n === 3) return { schema: { type: "string", format: "date-time" }, value: "2026-01-02T03:04:05.678Z" }
  if (n === 4)
    return {
      schema: { anyOf: [{ type: "null" }, { type: "string", minLength: 3, maxLength: 200_000 }] },
      value: longTexts[0]!
    }
  return { schema: { type: "string", maxLength: 200_000 }, value: longTexts[n % longTexts.length]! }
})

const arrayOf = (item: Shape, length: number): Shape => ({
  schema: { type: "array", items: item.schema, minItems: length % 3 },
  value: Array.from({ length }, () => item.value)
})

const objectOf = (parts: ReadonlyArray<Shape>, closed: boolean): Shape => ({
  schema: {
    type: "object",
    properties: Object.fromEntries(parts.map(({ schema }, index) => [`p${index}`, schema])),
    required: parts.flatMap((_, index) => (index % 2 === 0 ? [`p${index}`] : [])),
    ...(closed ? { additionalProperties: false } : {})
  },
  value: Object.fromEntries(parts.map(({ value }, index) => [`p${index}`, value]))
})

const nested = (inner: Arbitrary.Arbitrary<Shape>): Arbitrary.Arbitrary<Shape> =>
  Arbitrary.map(Arbitrary.all([one, Arbitrary.array(inner, { minLength: 1, maxLength: 4 })]), ([n, parts]) =>
    n < 4 ? arrayOf(parts[0]!, [0, 2, 5, 20][n] ?? 3) : objectOf(parts, n % 2 === 0)
  )

/** A schema with a value that fits it, often far too large to be sent. */
const shapes = Arbitrary.map(Arbitrary.array(nested(nested(leaf)), { minLength: 1, maxLength: 3 }), (parts) =>
  objectOf([...parts, { schema: { type: "string", minLength: 3 }, value: "long ".repeat(30_000) }], true)
)

/** Every number and required key of the cut value is that of the whole one, and no list or text is longer. */
const isPartOf = (cut: Schema.Json | undefined, whole: Schema.Json | undefined): boolean => {
  if (typeof cut === "string") return typeof whole === "string" && (cut === whole || cut.length < whole.length)
  if (Array.isArray(cut)) {
    return (
      Array.isArray(whole) && cut.length <= whole.length && cut.every((item, index) => isPartOf(item, whole[index]))
    )
  }
  if (cut !== null && typeof cut === "object" && whole !== null && typeof whole === "object" && !Array.isArray(whole)) {
    const [part, all] = [cut as Schema.JsonObject, whole as Schema.JsonObject]
    return Object.keys(part).every((key) => isPartOf(part[key], all[key]))
  }
  return cut === whole
}

layer(TestLayer, { excludeTestServices: true })("the limit of results", (it) => {
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": true } })

  it.effect.prop(
    "holds for whatever a tool gives, which still fits the tool's schema",
    [shapes],
    ([{ schema, value }]) =>
      Effect.gen(function* () {
        const whole = value as Schema.JsonObject
        const validate = ajv.compile(schema)
        assert.isTrue(validate(whole), "The test's own value must fit its schema")
        const outcome = resultOf(yield* limited({ ...reads, output: objectSchema(schema) }, whole))
        assert.isAtMost(yield* tokensOf(outcome.text), resultTokenLimit)
        assert.deepStrictEqual(JSON.parse(outcome.text), outcome.structured)
        assert.isTrue(validate(outcome.structured), JSON.stringify(validate.errors))
        assert.isTrue(isPartOf(outcome.structured, whole))
        const isCut = JSON.stringify(outcome.structured) !== JSON.stringify(whole)
        assert.strictEqual((outcome.links ?? []).length, isCut ? 1 : 0)
      }),
    { arbitrary: { runs: 12 } }
  )

  it.effect("keeps the whole of what it cuts, and links it", () =>
    Effect.gen(function* () {
      const value = { title: "t", text: "some words ".repeat(20_000), at: "2026-01-02T03:04:05.678Z" }
      const outcome = yield* limited(reads, value)
      const { structured } = resultOf(outcome)
      assert.deepInclude(structured, { title: "t", at: value.at })
      assert.match(String(structured["text"]), /… \(\d+ more characters\)$/)
      const { link, text } = yield* linked(outcome)
      assert.deepStrictEqual(JSON.parse(text), value)
      assert.deepInclude(link, { type: "resource_link", mimeType: "application/json", size: text.length })
      assert.include(link?.["description"], `${yield* tokensOf(text)} tokens`)
      assert.notInclude(link?.["description"], "change")
    })
  )

  it.effect("cuts no more than it must", () =>
    Effect.gen(function* () {
      const items = Array.from({ length: 2_000 }, (_, seq) => ({ seq, text: "some words ".repeat(20) }))
      const { structured, text } = resultOf(yield* limited(reads, { items }))
      assert.isAbove(yield* tokensOf(text), resultTokenLimit / 3)
      assert.deepStrictEqual(structured["items"], items.slice(0, (structured["items"] as Array<unknown>).length))
    })
  )

  it.effect("says of a change that it was made", () =>
    Effect.gen(function* () {
      const outcome = yield* limited({ changes: true, arguments: ["limit", "cursor"] }, { text: "x ".repeat(60_000) })
      assert.include((yield* linked(outcome)).link?.["description"], "The change was made")
    })
  )

  it.effect("without a schema drops no key, and so may have nothing to send but where the whole is", () =>
    Effect.gen(function* () {
      const value = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`key${n}`, n]))
      const outcome = yield* limited({ ...reads, changes: true }, value)
      assert.strictEqual(outcome._tag, "Error")
      if (outcome._tag !== "Error") return
      assert.strictEqual(outcome.error.code, "result_too_large")
      assert.match(outcome.error.detail, /The change was made, do not repeat it\. .*result:\/\/[0-9a-f-]{36}/)
      const open = yield* limited({ ...reads, output: objectSchema({ type: "object" }) }, value)
      assert.isAtMost(Object.keys(resultOf(open).structured).length, 1_000)
    })
  )
})

/** A list of numbered items of some length; `asked` are the limits that it was asked with. */
const paged = (textLength: (seq: number) => number) => {
  const asked: Array<unknown> = []
  const run = ({ limit = 200 }: { readonly limit?: unknown }) => {
    asked.push(limit)
    const items = Array.from({ length: Number(limit) }, (_, seq) => ({ seq, text: "ab ".repeat(textLength(seq)) }))
    return Effect.succeed<Schema.JsonObject>({ items, nextCursor: `after-${items.length}` })
  }
  return { asked, run }
}

layer(TestLayer, { excludeTestServices: true })("a list that is too long", (it) => {
  const traits = { changes: false, arguments: ["limit", "cursor", "q"] }

  it.effect.each([300, 5_000])("is asked for a shorter page, which goes on where it ends", (length) =>
    Effect.gen(function* () {
      const { asked, run } = paged((seq) => (seq % 7 === 0 ? length * 2 : length))
      const within = yield* makeResultLimit
      const outcome = resultOf(yield* within(principal, traits, { limit: 150, q: "x" }, run))
      assert.isAtMost(yield* tokensOf(outcome.text), resultTokenLimit)
      const items = outcome.structured["items"] as ReadonlyArray<{ readonly text: string }>
      assert.strictEqual(outcome.structured["nextCursor"], `after-${items.length}`)
      assert.strictEqual(asked[0], 150)
      assert.isAtMost(asked.length, 5)
      assert.isTrue(
        items.every(({ text }) => text.length >= length * 3),
        "Items are whole"
      )
      assert.isUndefined(outcome.links)
    })
  )

  it.effect("is cut when not even one item fits", () =>
    Effect.gen(function* () {
      const { run } = paged(() => 60_000)
      const outcome = yield* Effect.flatMap(makeResultLimit, (within) => within(principal, traits, {}, run))
      assert.strictEqual(resultOf(outcome).structured["nextCursor"], "after-1")
      assert.lengthOf(JSON.parse((yield* linked(outcome)).text).items, 1)
    })
  )

  it.effect("is asked once only when asking changes something, or the tool takes no limit", () =>
    Effect.gen(function* () {
      const within = yield* makeResultLimit
      for (const other of [
        { ...traits, changes: true },
        { ...traits, arguments: ["cursor"] }
      ]) {
        const { asked, run } = paged(() => 1_000)
        yield* within(principal, other, {}, run)
        assert.lengthOf(asked, 1)
      }
    })
  )
})

describe("a result that cannot be kept", () => {
  const down = new ObjectStoreError({ operation: "put", retryable: true, cause: "down" })

  it.effect("is cut all the same, and says so", () =>
    Effect.gen(function* () {
      const { links, structured } = resultOf(yield* limited(reads, { id: "a", text: "x ".repeat(60_000) }))
      assert.strictEqual(structured["id"], "a")
      assert.deepInclude(links?.[0], { type: "text" })
      assert.include(links?.[0]?.["text"], "could not be kept")
    }).pipe(
      Effect.provide(over(Layer.mock(ObjectStore, { get: () => Effect.succeedNone, put: () => Effect.fail(down) })))
    )
  )
})
