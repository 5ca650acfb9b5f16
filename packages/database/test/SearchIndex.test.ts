import { type EmbeddedChunk, type SearchFilter, SearchIndex } from "@devops-mcp/core/ports/SearchIndex"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { ChunkId, DocumentId, type TenantId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = RepositoriesLive.pipe(Layer.provideMerge(TestDatabase))

const newChunk = (
  text: string,
  embedding: ReadonlyArray<number>,
  fields: Partial<EmbeddedChunk> = {}
): EmbeddedChunk => ({
  id: freshId(ChunkId),
  kind: "document",
  refId: freshId(DocumentId),
  position: 0,
  text,
  metadata: {},
  embedding,
  ...fields
})

const texts = (found: ReadonlyArray<{ readonly text: string }>) => found.map(({ text }) => text)

/** A unit vector that leans from the first axis towards the second by `angle` radians. */
const leaning = (dimensions: number, angle: number) =>
  Array.from({ length: dimensions }, (_, axis) => (axis === 0 ? Math.cos(angle) : axis === 1 ? Math.sin(angle) : 0))

const indexed = Effect.fnUntraced(function* (...chunks: ReadonlyArray<EmbeddedChunk>) {
  const index = yield* SearchIndex
  const tenant = yield* freshTenant
  yield* index.put(tenant, "m", chunks)
  const nearest = (embedding: ReadonlyArray<number>, filter: SearchFilter = {}, limit = 10) =>
    Effect.map(index.nearest(tenant, "m", embedding, filter, limit), texts)
  const keyword = (query: string, filter: SearchFilter = {}, limit = 10) =>
    Effect.map(index.keyword(tenant, query, filter, limit), texts)
  return { index, tenant, nearest, keyword }
})

/** Runs a search when the planner may only take an index's order, and counts the scans of that index. */
const byIndex = Effect.fnUntraced(function* <A, E>(tenant: TenantId, name: string, search: Effect.Effect<A, E>) {
  const sql = yield* SqlClient.SqlClient
  const transactions = yield* Transactions
  return yield* transactions.run(
    tenant,
    Effect.gen(function* () {
      yield* sql`select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)`
      const found = yield* search
      const [row] = yield* sql<{ readonly scans: number }>`
        select pg_stat_get_xact_numscans(${name}::regclass)::int as scans`
      return { found, scans: row?.scans ?? 0 }
    })
  )
})

const Nasty = Schema.Array(
  Schema.Union([
    Schema.Literals([
      "'",
      '"',
      "\\",
      "&",
      "|",
      "!",
      "(",
      ")",
      ":*",
      "<->",
      "<2>",
      ":A",
      "\0",
      "\uD800",
      " ",
      "the",
      "a&b",
      "''",
      "%",
      "$1"
    ]),
    Schema.Literals([
      "http://a.b/c?d=1&e='x'",
      "<tag attr='&'>",
      "a@b.c",
      "-1.5e-7",
      "don't",
      "x:*",
      "日本語",
      "ﬁ",
      "🎉",
      "١٢٣"
    ]),
    Schema.String
  ])
).check(Schema.isMaxLength(8))

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("SearchIndex", (it) => {
  it.effect("gives the nearest by cosine first, with what was stored", () =>
    Effect.gen(function* () {
      const chunk = newChunk("same", [2, 0, 0], { kind: "event", position: 3, metadata: { a: [1, null] } })
      const { index, nearest, tenant } = yield* indexed(
        newChunk("opposite", [-1, 0, 0]),
        newChunk("close", [0.6, 0.8, 0]),
        chunk,
        newChunk("right angle", [0, 1, 0])
      )
      const found = yield* index.nearest(tenant, "m", [1, 0, 0], {}, 10)
      assert.deepStrictEqual(texts(found), ["same", "close", "right angle", "opposite"])
      for (const [position, score] of [1, 0.6, 0, -1].entries()) {
        assert.approximately(found[position]?.score ?? Number.NaN, score, 1e-6)
      }
      const { embedding: _, ...stored } = chunk
      assert.deepStrictEqual(found[0], { ...stored, score: found[0]?.score ?? 0 })
      assert.deepStrictEqual(yield* nearest([1, 0, 0], {}, 2), ["same", "close"])
    })
  )

  it.effect("puts a vector without direction last, and answers a question without one", () =>
    Effect.gen(function* () {
      const { nearest } = yield* indexed(newChunk("nothing", [0, 0]), newChunk("opposite", [-1, 0]))
      assert.deepStrictEqual(yield* nearest([1, 0]), ["opposite", "nothing"])
      assert.sameMembers(yield* nearest([0, 0]), ["opposite", "nothing"])
    })
  )

  it.effect("filters by kind, by what it is part of, and by equality on metadata fields", () =>
    Effect.gen(function* () {
      const refId = freshId(DocumentId)
      const { keyword, nearest } = yield* indexed(
        newChunk("build one", [1, 0], {
          kind: "event",
          metadata: { team: "core", n: 1, tags: ["a", "b"], o: { x: 1, y: 2 } }
        }),
        newChunk("build two", [1, 0.1], { kind: "document", refId, metadata: { team: "core", n: null } }),
        newChunk("build three", [1, 0.2], { kind: "context", metadata: { team: "web" } })
      )
      const expectations: ReadonlyArray<readonly [SearchFilter, ReadonlyArray<string>]> = [
        [{}, ["build one", "build two", "build three"]],
        [{ metadata: {} }, ["build one", "build two", "build three"]],
        [{ kinds: ["event", "context"] }, ["build one", "build three"]],
        [{ kinds: [] }, []],
        [{ refId }, ["build two"]],
        [{ refId: freshId(DocumentId) }, []],
        [{ metadata: { team: "core" } }, ["build one", "build two"]],
        [{ kinds: ["event"], metadata: { team: "core", n: 1 } }, ["build one"]],
        [{ metadata: { n: null } }, ["build two"]],
        [{ metadata: { n: "1" } }, []],
        [{ metadata: { tags: ["a", "b"], o: { y: 2, x: 1 } } }, ["build one"]],
        [{ metadata: { tags: ["a"] } }, []],
        [{ metadata: { o: { x: 1 } } }, []],
        [{ metadata: { tags: "a" } }, []],
        [{ metadata: { "\0": "\uD800" } }, []]
      ]
      for (const [filter, expected] of expectations) {
        assert.deepStrictEqual(yield* nearest([1, 0], filter), expected)
        assert.sameMembers([...(yield* keyword("build", filter))], [...expected])
      }
    })
  )

  it.effect("indexing again replaces, removing takes one thing of one kind", () =>
    Effect.gen(function* () {
      const refId = freshId(DocumentId)
      const first = newChunk("old words", [1, 0], { refId })
      const { index, keyword, nearest, tenant } = yield* indexed(first)
      yield* index.put(tenant, "m", [
        newChunk("new words", [0, 1], { refId, metadata: { v: 2 } }),
        newChunk("of an event", [-1, 0], { refId, kind: "event" }),
        newChunk("more", [0, 1], { refId, position: 1 })
      ])
      yield* index.put(tenant, "m", [])
      const [found] = yield* index.nearest(tenant, "m", [0, 1], { kinds: ["document"] }, 1)
      assert.strictEqual(found?.id, first.id)
      assert.deepStrictEqual([found?.text, found?.metadata], ["new words", { v: 2 }])
      assert.approximately(found?.score ?? 0, 1, 1e-6)
      assert.deepStrictEqual(yield* nearest([-1, 0], {}, 1), ["of an event"])
      assert.deepStrictEqual(yield* keyword("old"), [])
      yield* index.remove(tenant, "document", refId)
      assert.deepStrictEqual(yield* nearest([1, 0]), ["of an event"])
      yield* index.remove(tenant, "document", refId)
      yield* index.remove(tenant, "event", refId)
      assert.deepStrictEqual(yield* nearest([1, 0]), [])
    })
  )

  it.effect("compares embeddings of one model only, whatever their dimensions", () =>
    Effect.gen(function* () {
      const chunk = newChunk("words", [1, 0])
      const { index, nearest, tenant } = yield* indexed(chunk)
      yield* index.put(tenant, "other", [{ ...chunk, embedding: [0, 0, 1] }, newChunk("only here", [0, 1, 0])])
      assert.deepStrictEqual(yield* nearest([1, 0]), ["words"])
      assert.deepStrictEqual(yield* nearest([0, 0, 1]), [])
      assert.deepStrictEqual(texts(yield* index.nearest(tenant, "other", [0, 0, 1], {}, 9)), ["words", "only here"])
      assert.deepStrictEqual(texts(yield* index.nearest(tenant, "unknown", [1, 0], {}, 9)), [])
    })
  )

  it.effect.each([512, 1536])(
    "finds a tenant's own among nearer ones of another by the index for %i dimensions",
    (dimensions) =>
      Effect.gen(function* () {
        const name = `chunk_embeddings_${dimensions}`
        const { index, tenant } = yield* indexed(
          newChunk("far", leaning(dimensions, 2)),
          newChunk("near", leaning(dimensions, 1)),
          newChunk("filtered", leaning(dimensions, 0.9), { kind: "event" })
        )
        const crowd = Array.from({ length: 60 }, (_, step) => newChunk("theirs", leaning(dimensions, step / 100)))
        yield* index.put(yield* freshTenant, "m", crowd)
        const search = index.nearest(tenant, "m", leaning(dimensions, 0), { kinds: ["document"] }, 2)
        const { found, scans } = yield* byIndex(tenant, name, search)
        assert.deepStrictEqual(texts(found), ["near", "far"])
        assert.isAbove(scans, 0)
      })
  )

  it.effect("gives each of many passages its own vector", () =>
    Effect.gen(function* () {
      const passages = Array.from({ length: 230 }, (_, step) => newChunk(`passage ${step}`, leaning(3, step / 100)))
      const { nearest } = yield* indexed(...passages)
      for (const step of [0, 99, 100, 199, 200, 229]) {
        assert.deepStrictEqual(yield* nearest(leaning(3, step / 100), {}, 1), [`passage ${step}`])
      }
    })
  )

  it.effect("finds any of the words in any form, the best match first", () =>
    Effect.gen(function* () {
      const { keyword } = yield* indexed(
        newChunk("The deployment of the payment service failed", [1]),
        newChunk("Deploying again went well", [1]),
        newChunk("Nothing of interest, and https://example.org/runs?id=7&attempt=2", [1])
      )
      assert.deepStrictEqual(yield* keyword("payments"), ["The deployment of the payment service failed"])
      const both = yield* keyword("why did the DEPLOYMENTS of payments fail?")
      assert.deepStrictEqual(both, ["The deployment of the payment service failed", "Deploying again went well"])
      assert.deepStrictEqual(yield* keyword("deploys", {}, 1), ["Deploying again went well"])
      assert.strictEqual((yield* keyword("example.org/runs?id=7&attempt=2")).length, 1)
      for (const query of ["the of and", "", " ", "?!", "zebra", "\0", "&", "!", ":*", "<->"]) {
        assert.deepStrictEqual(yield* keyword(query), [])
      }
      for (const query of [
        "'deploying",
        '"deploying"',
        "deploying:*",
        "!deploying",
        "deploying &",
        "(deploying",
        "deploying\\"
      ]) {
        assert.strictEqual((yield* keyword(query)).length, 2, query)
      }
    })
  )

  it.effect.prop(
    "answers any query, and finds a text that holds the query's words",
    { parts: Nasty, text: Schema.String },
    ({ parts, text }) =>
      Effect.gen(function* () {
        const query = parts.join("")
        const { keyword } = yield* indexed(newChunk(`${text} ${query}`, [1]), newChunk("canary", [1]))
        yield* keyword(query)
        assert.include(yield* keyword(`${query} canary`), "canary")
      }),
    { arbitrary: { runs: 50 } }
  )

  it.effect("answers a query of a megabyte by its beginning", () =>
    Effect.gen(function* () {
      const { keyword } = yield* indexed(newChunk("canary", [1]))
      assert.deepStrictEqual(yield* keyword(`canary ${"x".repeat(1_000_000)}`), ["canary"])
      assert.deepStrictEqual(yield* keyword("canary bird ".repeat(80_000)), ["canary"])
      assert.deepStrictEqual(yield* keyword("🎉".repeat(500_000)), [])
    })
  )
})
