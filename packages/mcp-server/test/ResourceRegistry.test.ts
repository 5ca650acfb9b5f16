import type { Act } from "@devops-mcp/core/audit/Audit"
import { CursorError } from "@devops-mcp/core/ports/Cursor"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { Results } from "@devops-mcp/core/results/Results"
import { NotFound } from "@devops-mcp/domain/Errors"
import { ResultId } from "@devops-mcp/domain/Ids"
import * as Tokens from "@devops-mcp/embeddings/TokenCounter"
import { mcpRequestDuration } from "@devops-mcp/observability/Metrics"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Option } from "effect"
import { ResourceRegistry } from "../src/registry/ResourceRegistry.ts"
import { MoreResourceSources, type ResourceSource } from "../src/registry/Resources.ts"
import { resultTokenLimit } from "../src/registry/ResultLimit.ts"
import { principalOf } from "./Fakes.ts"
import {
  auditInto,
  contextIdOf,
  contextOf,
  documentIdOf,
  documentOf,
  eventIdOf,
  eventOf,
  itemOf,
  storeOf
} from "./ResourceFakes.ts"

const resultId = ResultId.make("0192f0c1-0000-7000-8000-00000000000a")

const ResultsFake = Layer.mock(Results, {
  read: (_, id, part) =>
    id === resultId && part <= 2
      ? Effect.succeed({ text: `part ${part}`, part, parts: 2, bytes: 12 })
      : Effect.fail(new NotFound({ resource: "result", id }))
})

const registry = (stored: Parameters<typeof storeOf>[0], acts: Array<Act> = []) =>
  ResourceRegistry.layer.pipe(
    Layer.provide([storeOf(stored), auditInto(acts), ResultsFake]),
    Layer.provideMerge(Tokens.layer)
  )

const numbered = <A>(length: number, make: (n: number) => A) => Array.from({ length }, (_, n) => make(n))

const viewer = principalOf("viewer")
const requestId = "request-1"

const read = (uri: string, principal = viewer) =>
  Effect.flatMap(ResourceRegistry, (resources) => resources.read(principal, requestId, uri)).pipe(
    Effect.map(({ contents }) => contents)
  )

const textOf = (contents: ReadonlyArray<object>, index = 0): string => {
  const content = contents[index]
  return content !== undefined && "text" in content ? String(content.text) : ""
}

describe("resources/list", () => {
  it.effect.each([
    [0, 0, 0],
    [3, 2, 1],
    [100, 0, 1],
    [99, 101, 250]
  ] as const)("shows everything once, over as many pages as it takes: %j", ([contexts, documents, events]) =>
    Effect.gen(function* () {
      const resources = yield* ResourceRegistry
      const uris: Array<string> = []
      let cursor: string | undefined
      do {
        const page = yield* resources.list(viewer, cursor)
        assert.isAtMost(page.resources.length, 100)
        uris.push(...page.resources.map(({ uri }) => uri))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      assert.deepStrictEqual(uris, [
        ...numbered(contexts, (n) => `context://${contextIdOf(contexts - 1 - n)}`),
        ...numbered(documents, (n) => `document://${documentIdOf(documents - 1 - n)}`),
        ...numbered(events, (n) => `event://${eventIdOf(events - 1 - n)}`)
      ])
    }).pipe(
      Effect.provide(
        registry({
          contexts: numbered(contexts, (n) => contextOf(n)),
          documents: numbered(documents, (n) => documentOf(n)),
          events: numbered(events, (n) => eventOf(n))
        })
      )
    )
  )

  it.effect("shows what the caller may read, and its templates", () =>
    Effect.gen(function* () {
      const resources = yield* ResourceRegistry
      const reader = { ...viewer, scopes: ["events:read" as const] }
      const listed = yield* resources.list(reader)
      assert.deepStrictEqual(
        listed.resources.map(({ uri }) => uri),
        [`event://${eventIdOf(1)}`]
      )
      const { resourceTemplates } = yield* resources.templates(reader)
      assert.deepStrictEqual(
        resourceTemplates.map(({ uriTemplate }) => uriTemplate),
        ["event://{id}", "result://{id}"]
      )
      const cursor = (yield* Effect.provide(
        Effect.flatMap(ResourceRegistry, (all) => all.list(viewer)),
        registry({ contexts: numbered(101, (n) => contextOf(n)) }),
        { local: true }
      )).nextCursor
      assert.isString(cursor)
      assert.strictEqual((yield* Effect.flip(resources.list(reader, cursor))).code, -32602)
    }).pipe(Effect.provide(registry({ contexts: [contextOf(1)], events: [eventOf(1)] })))
  )

  it.effect("refuses cursors that it did not give", () =>
    Effect.gen(function* () {
      const resources = yield* ResourceRegistry
      const forged = [
        "",
        "x",
        "bm9wZQ",
        "e30",
        btoa('{"source":"events","cursor":"x"}'),
        btoa('{"source":"none"}'),
        "A".repeat(5_000)
      ]
      for (const cursor of forged) {
        const error = yield* Effect.flip(resources.list(viewer, cursor))
        assert.deepInclude({ ...error }, { code: -32602 }, cursor)
      }
    }).pipe(Effect.provide(registry({ events: [eventOf(1)] })))
  )
})

describe("resources/read", () => {
  it.effect("gives an event as JSON, a document as its text, a part of a result with the way to the next", () =>
    Effect.gen(function* () {
      const event = yield* read(`event://${eventIdOf(1)}`)
      assert.deepInclude(JSON.parse(textOf(event)), { id: eventIdOf(1), title: "Event 1" })
      assert.deepInclude(event[0], { uri: `event://${eventIdOf(1)}`, mimeType: "application/json" })
      const markdown = yield* read(`document://${documentIdOf(1)}`)
      assert.deepInclude(markdown[0], { mimeType: "text/markdown", text: "# Document 1\n\nSee\n## How\nso" })
      assert.deepInclude(JSON.parse(textOf(markdown, 1)), { status: "ready", metadata: { team: "a" } })
      const plain = yield* read(`document://${documentIdOf(2)}`)
      assert.deepInclude(plain[0], { mimeType: "text/plain", text: "Document 2\n\nplain text" })
      const first = yield* read(`result://${resultId}`)
      assert.include(textOf(first, 1), `result://${resultId}?part=2`)
      assert.strictEqual(textOf(yield* read(`result://${resultId}?part=2`)), "part 2")
    }).pipe(
      Effect.provide(
        registry({
          events: [eventOf(1)],
          documents: [documentOf(1, { text: "See\n## How\nso", metadata: { team: "a" } }), documentOf(2)]
        })
      )
    )
  )

  it.effect.each([
    ["long messages", numbered(60, (n) => itemOf(n + 1, 1_000)), {}],
    ["many short messages", numbered(3_000, (n) => itemOf(n + 1, 2)), {}],
    [
      "huge metadata",
      numbered(40, (n) => itemOf(n + 1, 10, { note: "word ".repeat(9_000) })),
      { a: "word ".repeat(90_000) }
    ]
  ] as const)("gives what fits of a context with %s, the newest, and counts the rest", ([, items, metadata]) =>
    Effect.gen(function* () {
      const text = textOf(yield* read(`context://${contextIdOf(1)}`))
      assert.isAtMost((yield* TokenCounter).count(text), resultTokenLimit)
      const { context, window } = JSON.parse(text)
      assert.strictEqual(context.id, contextIdOf(1))
      assert.isAbove(window.items.length, 0)
      assert.strictEqual(window.omitted.count + window.items.length, items.length)
      assert.strictEqual(window.items.at(-1).seq, items.length)
    }).pipe(Effect.provide(registry({ contexts: [contextOf(1, { metadata })], items })))
  )

  it.effect("does not tell what is not there from what the caller may not read, but the record does", () => {
    const acts: Array<Act> = []
    return Effect.gen(function* () {
      const uri = `event://${eventIdOf(1)}`
      const secret = yield* Effect.flip(read(uri, { ...viewer, scopes: ["contexts:read"] }))
      const missing = yield* Effect.flip(read(`event://${eventIdOf(2)}`))
      assert.deepStrictEqual([secret.code, secret.detail], [missing.code, missing.detail])
      assert.deepStrictEqual(secret.data, { uri })
      const strange = [
        "",
        "event://",
        `event://${eventIdOf(1)}/x`,
        `EVENT://${eventIdOf(1)}`,
        `result://${resultId}?part=0`,
        "file:///etc/passwd",
        "x".repeat(9_000)
      ]
      for (const other of strange) assert.strictEqual((yield* Effect.flip(read(other))).code, -32602, other)
      yield* read(uri)
      assert.deepStrictEqual(
        acts.map(({ action, outcome, target }) => [action, outcome, target]),
        [
          ["mcp.resources/read", "denied", uri],
          ["mcp.resources/read", "failed", `event://${eventIdOf(2)}`],
          ...strange.map(() => ["mcp.resources/read", "failed", undefined]),
          ["mcp.resources/read", "ok", uri]
        ]
      )
      assert.isTrue(acts.every((act) => act.requestId === requestId))
      const labels = { method: "resources/read", tool: "events", outcome: "denied" }
      assert.isAtLeast((yield* Metric.value(Metric.withAttributes(mcpRequestDuration, labels))).count, 1)
    }).pipe(Effect.provide(registry({ events: [eventOf(1)] }, acts)))
  })

  it.effect("says when the database is away, and not why", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read(`event://${eventIdOf(1)}`))
      assert.deepStrictEqual(
        [error.code, error.detail],
        [-32603, "The database did not answer. Try again in a few seconds."]
      )
      const died = yield* Effect.flip(read("broken://x"))
      assert.strictEqual(died.code, -32603)
      assert.include(died.detail, requestId)
      assert.notInclude(died.detail, "hunter2")
    }).pipe(
      Effect.provide(
        ResourceRegistry.layer.pipe(
          Layer.provide([
            storeOf({}),
            Layer.mock(EventRepository, {
              get: () => Effect.fail(new StoreError({ operation: "get", retryable: true, cause: "hunter2" })),
              list: () => Effect.fail(new CursorError())
            }),
            auditInto([]),
            ResultsFake,
            Tokens.layer,
            Layer.succeed(MoreResourceSources, [broken])
          ])
        )
      )
    )
  )

  it.effect("may be subscribed to when it could be read, were it there", () =>
    Effect.gen(function* () {
      const { canRead } = yield* ResourceRegistry
      yield* canRead(viewer, `event://${eventIdOf(9)}`)
      assert.strictEqual((yield* Effect.flip(canRead(viewer, "event://x"))).code, -32602)
      const blind = { ...viewer, scopes: [] }
      assert.strictEqual((yield* Effect.flip(canRead(blind, `event://${eventIdOf(9)}`))).code, -32602)
    }).pipe(Effect.provide(registry({})))
  )
})

const broken: ResourceSource = {
  name: "broken",
  scope: "any",
  template: undefined,
  list: () => Effect.succeed({ items: [], nextCursor: null }),
  read: (_, uri) =>
    uri.startsWith("broken://") ? Option.some(Effect.die(new Error("the password is hunter2"))) : Option.none(),
  complete: () => Effect.succeed([])
}

describe("completions", () => {
  it.effect("offer the newest ids that begin so, or whose thing is called so", () =>
    Effect.gen(function* () {
      const { complete } = yield* ResourceRegistry
      const all = yield* complete(viewer, "event://{id}", "id", "")
      assert.lengthOf(all.values, 100)
      assert.isTrue(all.hasMore)
      assert.strictEqual(all.values[0], eventIdOf(149))
      const named = yield* complete(viewer, "event://{id}", "id", "eVent 14")
      assert.sameMembers([...named.values], [14, ...numbered(10, (n) => 140 + n)].map(eventIdOf))
      assert.isFalse(named.hasMore)
      const exact = yield* complete(viewer, "event://{id}", "id", eventIdOf(7))
      assert.deepStrictEqual(exact.values, [eventIdOf(7)])
      assert.deepStrictEqual((yield* complete(viewer, "event://{id}", "id", "z".repeat(500))).values, [])
      for (const [template, variable] of [
        ["event://{id}", "no"],
        ["no://{id}", "id"]
      ] as const) {
        assert.strictEqual((yield* Effect.flip(complete(viewer, template, variable, ""))).code, -32602)
      }
      const blind = { ...viewer, scopes: [] }
      assert.strictEqual((yield* Effect.flip(complete(blind, "event://{id}", "id", ""))).code, -32602)
    }).pipe(Effect.provide(registry({ events: numbered(150, (n) => eventOf(n)) })))
  )
})
