import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import type { Metadata } from "@devops-mcp/domain/Fields"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { embedderDown, UseCases, whileEmbedder } from "./Fakes.ts"
import { work } from "./Work.ts"

/** Adds a document and has it ingested; its title is what tests tell it by. */
const add = Effect.fnUntraced(function* (tenantId: TenantId, title: string, text: string, metadata: Metadata = {}) {
  const document = yield* (yield* Knowledge).addDocument(tenantId, { title, text, metadata })
  yield* work("documents")
  return document
})

const search = (tenantId: TenantId, input: Parameters<Knowledge["Service"]["search"]>[1]) =>
  Effect.flatMap(Knowledge, (knowledge) => knowledge.search(tenantId, input)).pipe(Effect.map(({ items }) => items))

const titles = (tenantId: TenantId, input: Parameters<typeof search>[1]) =>
  Effect.map(search(tenantId, input), (items) => items.map((item) => item.metadata["title"]))

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("Knowledge.search", (it) => {
  it.effect("finds by words, by meaning, or by both, and says which half found what at which place", () =>
    Effect.gen(function* () {
      const tenantId = yield* freshTenant
      yield* add(tenantId, "Alpha", "restart the gateway after the certificate expired")
      yield* add(tenantId, "Beta", "salaries are paid on Friday")
      const query = "certificate gateway expired"
      const [byWords, ...others] = yield* search(tenantId, { query, mode: "keyword" })
      assert.deepStrictEqual([byWords?.metadata["title"], others], ["Alpha", []])
      assert.deepStrictEqual([byWords?.ranks, byWords?.score], [{ keyword: 1 }, 1])
      const [byMeaning] = yield* search(tenantId, { query, mode: "vector" })
      assert.deepStrictEqual([byMeaning?.metadata["title"], byMeaning?.ranks], ["Alpha", { vector: 1 }])
      const hybrid = yield* search(tenantId, { query })
      assert.deepStrictEqual([hybrid[0]?.metadata["title"], hybrid[0]?.ranks], ["Alpha", { vector: 1, keyword: 1 }])
      assert.isTrue(hybrid.every((item) => item.score > 0 && item.score <= 1))
      assert.isUndefined(hybrid.find((item) => item.metadata["title"] === "Beta")?.ranks.keyword)
    })
  )

  it.effect("finds by words without the model, and says when meaning cannot be had", () =>
    Effect.gen(function* () {
      const tenantId = yield* freshTenant
      yield* add(tenantId, "Gateway", "restart the gateway")
      const down = <A, E, R>(effect: Effect.Effect<A, E, R>) => whileEmbedder(Effect.fail(embedderDown), effect)
      assert.deepStrictEqual(yield* down(titles(tenantId, { query: "gateway", mode: "keyword" })), ["Gateway"])
      assert.strictEqual(yield* Effect.flip(down(search(tenantId, { query: "gateway", mode: "vector" }))), embedderDown)
      assert.strictEqual(yield* Effect.flip(down(search(tenantId, { query: "gateway" }))), embedderDown)
    })
  )

  it.effect("gives a document once, by the passage that matched best", () =>
    Effect.gen(function* () {
      const tenantId = yield* freshTenant
      const long = Array.from({ length: 12 }, (_, index) => `deploy step ${index}`).join("\n\n")
      const { id } = yield* add(tenantId, "Handbook", `${long}\n\ndeploy rollback deploy rollback`)
      yield* add(tenantId, "Note", "deploy on Monday")
      for (const mode of ["keyword", "vector", "hybrid"] as const) {
        const found = yield* search(tenantId, { query: "deploy rollback", mode })
        assert.sameMembers(
          found.map((item) => item.metadata["title"]),
          ["Handbook", "Note"],
          mode
        )
        assert.deepInclude(found[0], { ref: `document://${id}`, text: "deploy rollback deploy rollback" }, mode)
      }
    })
  )

  it.effect("gives as many as asked, ten by default, the best first", () =>
    Effect.gen(function* () {
      const tenantId = yield* freshTenant
      const names = Array.from({ length: 12 }, (_, index) => `Incident ${index}`)
      yield* Effect.forEach(names, (name) => add(tenantId, name, "disk full on the build machine"))
      assert.strictEqual((yield* search(tenantId, { query: "disk full" })).length, 10)
      const found = yield* search(tenantId, { query: "disk full", limit: 3 })
      assert.strictEqual(found.length, 3)
      assert.deepStrictEqual(
        found.map((item) => item.score),
        found.map((item) => item.score).toSorted((a, b) => b - a)
      )
      assert.strictEqual((yield* search(tenantId, { query: "disk full", limit: 50 })).length, 12)
    })
  )

  it.effect("keeps to the asked kinds and metadata, and to the tenant", () =>
    Effect.gen(function* () {
      const [tenantId, other] = [yield* freshTenant, yield* freshTenant]
      yield* add(tenantId, "Ours", "rotate the keys", { team: "core", nested: { level: 1 } })
      yield* add(tenantId, "Theirs", "rotate the keys", { team: "web" })
      yield* add(other, "Elsewhere", "rotate the keys", { team: "core" })
      const contexts = yield* AgentContexts
      const { id } = yield* contexts.create(tenantId, { name: "c" })
      yield* contexts.append(tenantId, id, { items: [{ role: "user", content: "rotate the keys" }] })
      yield* work("contexts")
      for (const mode of ["keyword", "vector", "hybrid"] as const) {
        const query = { query: "rotate keys", mode }
        assert.strictEqual((yield* search(tenantId, query)).length, 3, mode)
        assert.sameMembers(yield* titles(tenantId, { ...query, kinds: ["document"] }), ["Ours", "Theirs"], mode)
        assert.deepStrictEqual(yield* titles(tenantId, { ...query, filter: { team: "core" } }), ["Ours"], mode)
        assert.deepStrictEqual(yield* titles(tenantId, { ...query, filter: { nested: { level: 1 } } }), ["Ours"], mode)
        assert.deepStrictEqual(yield* titles(tenantId, { ...query, filter: { team: "none" } }), [], mode)
        assert.deepStrictEqual(yield* titles(tenantId, { ...query, kinds: ["event"] }), [], mode)
        const [context] = yield* search(tenantId, { ...query, kinds: ["context"] })
        assert.strictEqual(context?.ref, `context://${id}`, mode)
      }
    })
  )

  it.effect("takes any words for words", () =>
    Effect.gen(function* () {
      const tenantId = yield* freshTenant
      yield* add(tenantId, "Odd", "it's 100% | done & dusted: <-> ! () \\ 'quoted'")
      const queries = [
        "'",
        "a & b | !c",
        "\\",
        "the of and",
        "100%",
        ":* <->",
        "☃",
        "\u0000",
        "\ud800",
        "x".repeat(2000)
      ]
      for (const query of queries) {
        for (const mode of ["keyword", "hybrid"] as const) yield* search(tenantId, { query, mode })
      }
      assert.deepStrictEqual(yield* titles(tenantId, { query: "dusted & nowhere", mode: "keyword" }), ["Odd"])
    })
  )

  it.effect("does not find what was deleted", () =>
    Effect.gen(function* () {
      const tenantId = yield* freshTenant
      const [knowledge, contexts] = [yield* Knowledge, yield* AgentContexts]
      const document = yield* add(tenantId, "Gone", "forget the password policy")
      const context = yield* contexts.create(tenantId, { name: "c" })
      yield* contexts.append(tenantId, context.id, { items: [{ role: "user", content: "forget the password" }] })
      yield* work("contexts")
      assert.strictEqual((yield* search(tenantId, { query: "password" })).length, 2)
      yield* knowledge.deleteDocument(tenantId, document.id)
      yield* contexts.delete(tenantId, context.id)
      assert.deepStrictEqual(yield* search(tenantId, { query: "password" }), [])
      const missing = yield* Effect.flip(contexts.delete(tenantId, context.id))
      assert.strictEqual(missing._tag, "@devops-mcp/domain/Errors/NotFound")
      const gone = yield* Effect.flip((yield* ContextRepository).get(tenantId, context.id))
      assert.strictEqual(gone._tag, "@devops-mcp/domain/Errors/NotFound")
    })
  )
})
