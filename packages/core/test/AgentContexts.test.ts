import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { JobQueue, QueueError } from "@devops-mcp/core/ports/JobQueue"
import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { type ContextItem, ItemRole, WindowStrategy } from "@devops-mcp/domain/AgentContext"
import { ContextId, type TenantId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Ref, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { UseCases } from "./Fakes.ts"

const message = (content: string, fields: { readonly role?: ItemRole; readonly pinned?: boolean } = {}) => ({
  role: "user" as const,
  content,
  ...fields
})

/** A context of a tenant of its own with the given items. */
const filled = Effect.fnUntraced(function* (
  items: ReadonlyArray<ReturnType<typeof message> & { readonly role: ItemRole }>
) {
  const tenantId = yield* freshTenant
  const contexts = yield* AgentContexts
  const { id } = yield* contexts.create(tenantId, { name: "c" })
  yield* contexts.append(tenantId, id, { items })
  return { tenantId, id, contexts }
})

const total = (items: ReadonlyArray<ContextItem>) => items.reduce((sum, item) => sum + item.tokens, 0)

const isDigest = (item: ContextItem) => item.metadata["digest"] === true

/** Every item that a digest stands for. */
const removedBy = Effect.fnUntraced(function* (tenantId: TenantId, id: ContextId, digest: string) {
  const page = yield* (yield* ContextRepository).listItems(tenantId, id, { limit: 200, removedBy: digest })
  assert.isNull(page.nextCursor)
  return page.items
})

const Messages = Schema.NonEmptyArray(
  Schema.Struct({
    role: ItemRole,
    pinned: Schema.Boolean,
    content: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 120 }))
  })
).check(Schema.isMaxLength(25))

const Budgets = Schema.Array(
  Schema.Struct({
    maxTokens: Schema.Int.check(Schema.isBetween({ minimum: 90, maximum: 400 })),
    strategy: WindowStrategy
  })
).check(Schema.isBetweenLength(1, 3))

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("AgentContexts", (it) => {
  it.effect("creates a context with the defaults it documents", () =>
    Effect.gen(function* () {
      const contexts = yield* AgentContexts
      const context = yield* contexts.create(yield* freshTenant, { name: "c" })
      assert.deepInclude(context, {
        name: "c",
        maxTokens: 128_000,
        metadata: {},
        tokenCount: 0,
        itemCount: 0,
        version: 1
      })
    })
  )

  it.effect("counts the tokens of what is appended and keeps its order", () =>
    Effect.gen(function* () {
      const { contexts, id, tenantId } = yield* filled([message("hello world"), message("", { role: "tool" })])
      const { context, items } = yield* contexts.append(tenantId, id, {
        items: [message("<|endoftext|>", { role: "system", pinned: true })]
      })
      const all = yield* (yield* ContextRepository).allItems(tenantId, id)
      const { count } = yield* TokenCounter
      assert.deepStrictEqual(
        all.map((item) => [item.seq, item.tokens]),
        [
          [1, 2],
          [2, 0],
          [3, count("<|endoftext|>")]
        ]
      )
      assert.deepStrictEqual(items, all.slice(2))
      assert.deepInclude(context, { itemCount: 3, tokenCount: total(all) })
      const missing = yield* Effect.flip(contexts.append(tenantId, freshId(ContextId), { items: [message("x")] }))
      assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
    })
  )

  it.effect("offers a job for exactly what was appended", () =>
    Effect.gen(function* () {
      const [queue, jobs] = [yield* JobQueue, yield* Ref.make<ReadonlyArray<unknown>>([])]
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)
      const { contexts, id, tenantId } = yield* filled([message("a"), message("b")])
      yield* contexts.append(tenantId, id, { items: [message("c")] })
      const keep = queue.take("contexts", { run: (job) => Ref.update(jobs, (taken) => [...taken, job]) })
      yield* Effect.andThen(keep, keep)
      assert.deepStrictEqual(yield* Ref.get(jobs), [
        { _tag: "IndexContext", tenantId, contextId: id, fromSeq: 1, toSeq: 2 },
        { _tag: "IndexContext", tenantId, contextId: id, fromSeq: 3, toSeq: 3 }
      ])
    })
  )

  it.effect("keeps nothing when the job cannot be offered", () =>
    Effect.gen(function* () {
      const { id, tenantId } = yield* filled([message("a")])
      const down = new QueueError({ operation: "offer", retryable: true, cause: new Error("down") })
      const broken = yield* Layer.build(
        Layer.fresh(AgentContexts.layer).pipe(Layer.provide(Layer.mock(JobQueue, { offer: () => Effect.fail(down) })))
      )
      const lost = Context.get(broken, AgentContexts).append(tenantId, id, { items: [message("b")] })
      assert.strictEqual(yield* Effect.flip(lost), down)
      const repository = yield* ContextRepository
      assert.strictEqual((yield* repository.allItems(tenantId, id)).length, 1)
      assert.strictEqual((yield* repository.get(tenantId, id)).itemCount, 1)
    })
  )

  it.effect("gives a window of the asked budget, else of the context's own", () =>
    Effect.gen(function* () {
      const { contexts, id, tenantId } = yield* filled([
        message("one one one", { role: "assistant" }),
        message("two two two"),
        message("three three three", { role: "assistant" })
      ])
      const contents = (query: Parameters<typeof contexts.window>[2]) =>
        Effect.map(contexts.window(tenantId, id, query), (window) => window.items.map((item) => item.content[0]))
      assert.deepStrictEqual(yield* contents({}), ["o", "t", "t"])
      assert.deepStrictEqual(yield* contents({ maxTokens: 3 }), ["t"])
      assert.deepStrictEqual(yield* contents({ maxTokens: 8 }), ["t", "t"])
      assert.deepStrictEqual(yield* contents({ maxTokens: 1 }), [])
      yield* (yield* ContextRepository).update(
        tenantId,
        id,
        { maxTokens: 3 },
        (yield* (yield* ContextRepository).get(tenantId, id)).createdAt
      )
      const window = yield* contexts.window(tenantId, id, { strategy: "preserve_user" })
      assert.deepStrictEqual(
        window.items.map((item) => item.content),
        ["two two two"]
      )
      assert.deepStrictEqual(window.omitted, { count: 2, tokens: 6 })
    })
  )

  it.effect.prop(
    "compacts to the budget whatever is in the context, loses nothing, and leaves one digest",
    { messages: Messages, budgets: Budgets },
    ({ budgets, messages }) =>
      Effect.gen(function* () {
        const { contexts, id, tenantId } = yield* filled(
          messages.map((one) => ({ ...one, content: "word ".repeat(one.content) }))
        )
        const repository = yield* ContextRepository
        const original = yield* repository.allItems(tenantId, id)
        for (const input of budgets) {
          const before = yield* repository.allItems(tenantId, id)
          const { context, digest, removed } = yield* contexts.compact(tenantId, id, input)
          const after = yield* repository.allItems(tenantId, id)
          assert.isAtMost(total(after), input.maxTokens)
          assert.deepInclude(context, { itemCount: after.length, tokenCount: total(after) })
          assert.isAtMost(after.filter(isDigest).length, 1)
          assert.deepStrictEqual(
            after.map((item) => item.seq),
            after.map((item) => item.seq).toSorted((a, b) => a - b)
          )
          if (total(before) <= input.maxTokens) {
            assert.deepStrictEqual([digest, removed, after], [null, { count: 0, tokens: 0 }, before])
          } else {
            assert.deepStrictEqual(after.filter(isDigest), [digest])
            assert.strictEqual(removed.count, before.length - after.length + 1)
            assert.strictEqual(removed.tokens, total(before) - total(after) + (digest?.tokens ?? 0))
          }
          const current = after.find(isDigest)
          const behind = current === undefined ? [] : yield* removedBy(tenantId, id, current.id)
          const readable: Array<ContextItem> = [...after, ...behind].filter((item) => !isDigest(item))
          assert.sameDeepMembers(readable, [...original])
          if (current !== undefined) {
            assert.match(current.content, new RegExp(`^${readable.length - after.length + 1} earlier`))
            assert.include(current.content, `/api/v1/contexts/${id}/items?digest=${current.id}`)
          }
        }
      }),
    { arbitrary: { runs: 25 } }
  )

  it.effect("replaces the digest of an earlier compaction by one that stands for its messages too", () =>
    Effect.gen(function* () {
      const { contexts, id, tenantId } = yield* filled(Array.from({ length: 20 }, () => message("word ".repeat(30))))
      for (const maxTokens of [500, 400, 300]) {
        const { digest } = yield* contexts.compact(tenantId, id, { maxTokens })
        const items = yield* (yield* ContextRepository).allItems(tenantId, id)
        assert.deepStrictEqual(items.filter(isDigest), [digest])
        assert.match(digest?.content ?? "", new RegExp(`^${20 - items.length + 1} earlier messages were`))
        assert.deepInclude(digest?.metadata, { messages: 20 - items.length + 1 })
      }
    })
  )

  it.effect("keeps pinned and system messages, and the newest of the others", () =>
    Effect.gen(function* () {
      const long = "word ".repeat(50)
      const { contexts, id, tenantId } = yield* filled([
        message("You are a careful engineer", { role: "system" }),
        message(long),
        message("never deploy on a Friday", { pinned: true }),
        message(long, { role: "assistant" }),
        message("what now?")
      ])
      const { digest } = yield* contexts.compact(tenantId, id, { maxTokens: 110 })
      const items = yield* (yield* ContextRepository).allItems(tenantId, id)
      assert.deepStrictEqual(
        items.map((item) => item.seq),
        [1, 2, 3, 5]
      )
      assert.strictEqual(items[1]?.id, digest?.id)
      assert.strictEqual(digest?.role, "system")
    })
  )

  it.effect("does not take a caller's own mark for a digest", () =>
    Effect.gen(function* () {
      const tenantId = yield* freshTenant
      const contexts = yield* AgentContexts
      const { id } = yield* contexts.create(tenantId, { name: "c" })
      const marked = { ...message("keep me", { pinned: true }), metadata: { digest: true } }
      yield* contexts.append(tenantId, id, { items: [marked, message("word ".repeat(300))] })
      yield* contexts.compact(tenantId, id, { maxTokens: 150 })
      const items = yield* (yield* ContextRepository).allItems(tenantId, id)
      assert.include(
        items.map((item) => item.content),
        "keep me"
      )
    })
  )

  it.effect("refuses a budget that not even the digest fits", () =>
    Effect.gen(function* () {
      const { contexts, id, tenantId } = yield* filled([message("word ".repeat(100))])
      const refused = yield* Effect.flip(contexts.compact(tenantId, id, { maxTokens: 10 }))
      assert.strictEqual("pointer" in refused && refused.pointer, "/maxTokens")
      assert.strictEqual((yield* (yield* ContextRepository).allItems(tenantId, id)).length, 1)
      const missing = yield* Effect.flip(contexts.compact(tenantId, freshId(ContextId), { maxTokens: 100 }))
      assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
    })
  )

  it.effect("of several compactions at once one wins, and nothing is lost", () =>
    Effect.gen(function* () {
      const { contexts, id, tenantId } = yield* filled(Array.from({ length: 20 }, () => message("word ".repeat(20))))
      const exits = yield* Effect.replicateEffect(
        Effect.result(contexts.compact(tenantId, id, { maxTokens: 150 })),
        4,
        {
          concurrency: "unbounded"
        }
      )
      for (const exit of exits) {
        if (exit._tag === "Failure") assert.strictEqual(exit.failure._tag, "@devops-mcp/domain/Errors/StaleVersion")
      }
      const items = yield* (yield* ContextRepository).allItems(tenantId, id)
      const [digest, ...others] = items.filter(isDigest)
      assert.isDefined(digest)
      assert.deepStrictEqual(others, [])
      assert.strictEqual((yield* removedBy(tenantId, id, digest.id)).length + items.length - 1, 20)
    })
  )
})
