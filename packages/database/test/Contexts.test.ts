import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { ContextId, ContextItemId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"

const TestLayer = RepositoriesLive.pipe(Layer.provide(TestDatabase))

const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")

const newContext = (fields: { readonly name?: string; readonly sessionId?: string } = {}) => ({
  id: freshId(ContextId),
  name: "a context",
  maxTokens: 1000,
  metadata: { team: "core", nested: { list: [1, null, "x"] } },
  createdAt: now,
  ...fields
})

const newItem = (content: string) => ({
  id: freshId(ContextItemId),
  role: "user" as const,
  content,
  tokens: content.length,
  pinned: false,
  metadata: {},
  createdAt: now
})

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("ContextRepository", (it) => {
  it.effect("gives back what was created", () =>
    Effect.gen(function* () {
      const contexts = yield* ContextRepository
      const tenant = yield* freshTenant
      const context = newContext({ sessionId: "s1" })
      const created = yield* contexts.create(tenant, context)
      assert.deepStrictEqual(created, { ...context, tokenCount: 0, itemCount: 0, version: 1, updatedAt: now })
      assert.deepStrictEqual(yield* contexts.get(tenant, context.id), created)
    })
  )

  it.effect("numbers the items of concurrent appends without gaps or repeats, and keeps the counters", () =>
    Effect.gen(function* () {
      const contexts = yield* ContextRepository
      const tenant = yield* freshTenant
      const { id } = yield* contexts.create(tenant, newContext())
      yield* Effect.forEach(
        Array.from({ length: 24 }, (_, index) => [newItem(`${index}a`), newItem(`${index}b`)]),
        (items) => contexts.append(tenant, id, items),
        { concurrency: 8 }
      )
      const items = yield* contexts.allItems(tenant, id)
      assert.deepStrictEqual(
        items.map((item) => item.seq),
        Array.from({ length: 48 }, (_, index) => index + 1)
      )
      for (let index = 0; index < items.length; index += 2) {
        assert.strictEqual(items[index]?.content.replace("a", "b"), items[index + 1]?.content)
      }
      const context = yield* contexts.get(tenant, id)
      assert.strictEqual(context.itemCount, 48)
      assert.strictEqual(
        context.tokenCount,
        items.reduce((total, item) => total + item.tokens, 0)
      )
    })
  )

  it.effect("changes only the version that the caller has read", () =>
    Effect.gen(function* () {
      const contexts = yield* ContextRepository
      const tenant = yield* freshTenant
      const { id, version } = yield* contexts.create(tenant, newContext())
      const changed = yield* contexts.update(tenant, id, { name: "renamed" }, now, version)
      assert.strictEqual(changed.name, "renamed")
      assert.strictEqual(changed.version, version + 1)
      const stale = yield* Effect.flip(contexts.update(tenant, id, { name: "again" }, now, version))
      assert.strictEqual(stale._tag, "@devops-mcp/domain/Errors/StaleVersion")
      const missing = yield* Effect.flip(contexts.update(tenant, freshId(ContextId), { name: "x" }, now, 1))
      assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
    })
  )

  it.effect("a digest takes the place of what it stands for, and of an earlier digest", () =>
    Effect.gen(function* () {
      const contexts = yield* ContextRepository
      const tenant = yield* freshTenant
      const { id } = yield* contexts.create(tenant, newContext())
      const { items } = yield* contexts.append(tenant, id, ["1", "22", "333", "4444"].map(newItem))
      const compact = (count: number) =>
        Effect.gen(function* () {
          const removed = (yield* contexts.allItems(tenant, id)).slice(0, count)
          const digest = { ...newItem("d"), role: "system" as const, seq: removed[0]?.seq ?? 0 }
          return yield* contexts
            .replaceWithDigest(
              tenant,
              id,
              removed.map((item) => item.id),
              digest
            )
            .pipe(Effect.map((context) => ({ context, digest })))
        })
      const first = yield* compact(2)
      assert.strictEqual(first.context.itemCount, 3)
      assert.strictEqual(first.context.tokenCount, 1 + 3 + 4)
      const second = yield* compact(2)
      assert.strictEqual(second.context.itemCount, 2)
      assert.strictEqual(second.context.tokenCount, 1 + 4)
      assert.deepStrictEqual(
        (yield* contexts.allItems(tenant, id)).map((item) => item.content),
        ["d", "4444"]
      )
      const kept = yield* contexts.listItems(tenant, id, { limit: 50, removedBy: second.digest.id })
      assert.includeMembers(
        kept.items.map((item) => item.id),
        items.slice(0, 3).map((item) => item.id)
      )
      const { items: next } = yield* contexts.append(tenant, id, [newItem("5")])
      assert.strictEqual(next[0]?.seq, 5)
    })
  )

  it.effect("pages through everything once, in order, and refuses foreign cursors", () =>
    Effect.gen(function* () {
      const contexts = yield* ContextRepository
      const tenant = yield* freshTenant
      const made = yield* Effect.forEach(Array.from({ length: 7 }), () => contexts.create(tenant, newContext()))
      for (const limit of [1, 2, 3, 7, 50]) {
        const seen: Array<string> = []
        let cursor: string | null | undefined
        do {
          const page = yield* contexts.list(tenant, { limit, ...(cursor ? { cursor } : {}) })
          assert.isAtMost(page.items.length, limit)
          seen.push(...page.items.map((context) => context.id))
          cursor = page.nextCursor
        } while (cursor !== null)
        assert.deepStrictEqual(seen, made.map((context) => context.id).toReversed())
      }
      for (const cursor of ["x", "", "dG9vbHM6MQ", "Y29udGV4dHM6' or 1=1"]) {
        const refused = yield* Effect.flip(contexts.list(tenant, { limit: 5, cursor }))
        assert.strictEqual(refused._tag, "@devops-mcp/core/ports/Cursor/CursorError")
      }
    })
  )

  it.effect("finds by session and by words with wildcards taken literally", () =>
    Effect.gen(function* () {
      const contexts = yield* ContextRepository
      const tenant = yield* freshTenant
      yield* contexts.create(tenant, newContext({ name: "100% sure", sessionId: "a" }))
      yield* contexts.create(tenant, newContext({ name: "100 percent", sessionId: "b" }))
      const names = (filter: { readonly q?: string; readonly sessionId?: string }) =>
        Effect.map(contexts.list(tenant, { limit: 10, ...filter }), (page) => page.items.map((context) => context.name))
      assert.deepStrictEqual(yield* names({ q: "100% S" }), ["100% sure"])
      assert.deepStrictEqual(yield* names({ sessionId: "b" }), ["100 percent"])
      for (const odd of ["_", "\0", "\uD800", "\\"]) {
        assert.deepStrictEqual(yield* names({ q: odd }), [])
        assert.deepStrictEqual(yield* names({ sessionId: odd }), [])
      }
    })
  )

  it.effect.prop(
    "keeps any JSON metadata and any text, but for NUL and half surrogates",
    {
      value: Schema.Json,
      content: Schema.String
    },
    ({ content, value }) =>
      Effect.gen(function* () {
        const contexts = yield* ContextRepository
        const tenant = yield* freshTenant
        const context = yield* contexts.create(tenant, { ...newContext(), metadata: { value } })
        yield* contexts.append(tenant, context.id, [newItem(content)])
        const [item] = yield* contexts.allItems(tenant, context.id)
        assert.strictEqual(item?.content, content.toWellFormed().replaceAll("\0", "\uFFFD"))
        const stored = yield* contexts.get(tenant, context.id)
        // Through JSON as JavaScript writes it, which knows no -0, then with what the database cannot keep replaced.
        const expected = JSON.stringify(value).replaceAll(/\\u0000|\\ud[89a-f]../g, "\uFFFD")
        assert.deepStrictEqual(stored.metadata, { value: JSON.parse(expected) })
      }),
    { arbitrary: { runs: 25 } }
  )
})
