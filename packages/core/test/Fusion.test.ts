import { bestOfEach, fuse } from "@devops-mcp/core/knowledge/Fusion"
import type { Candidate } from "@devops-mcp/core/ports/SearchIndex"
import { ChunkId, DocumentId } from "@devops-mcp/domain/Ids"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"

const owners = Array.from({ length: 5 }, () => freshId(DocumentId))

const passage = (number: number, score: number): Candidate => ({
  id: ChunkId.make(`0192f0c1-0000-7000-8000-${String(number).padStart(12, "0")}`),
  kind: "document",
  refId: owners[number % owners.length] ?? "",
  position: number,
  text: `passage ${number}`,
  metadata: {},
  score
})

/** One half of a search: distinct passages, the best first. */
const Half = Schema.Array(
  Schema.Tuple([
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 15 })),
    Schema.Finite.check(Schema.isBetween({ minimum: -1, maximum: 2 }))
  ])
).check(Schema.isMaxLength(20))

const half = (pairs: typeof Half.Type) =>
  [...new Map(pairs)].map(([number, score]) => passage(number, score)).toSorted((a, b) => b.score - a.score)

describe("fuse", () => {
  it.prop(
    "scores every found passage once, between 0 and 1, best first, with its place in each half",
    [Half, Half],
    ([a, b]) => {
      const [vector, keyword] = [half(a), half(b)]
      const found = fuse(vector, keyword)
      const ids = found.map(({ chunk }) => chunk.id)
      assert.sameMembers(ids, [...new Set([...vector, ...keyword].map((candidate) => candidate.id))])
      assert.strictEqual(new Set(ids).size, ids.length)
      const placeIn = (candidates: ReadonlyArray<Candidate>, id: string) => {
        const index = candidates.findIndex((candidate) => candidate.id === id)
        return index === -1 ? undefined : index + 1
      }
      found.forEach(({ chunk, ranks, score }, index) => {
        assert.isAbove(score, 0)
        assert.isAtMost(score, 1)
        assert.isAtMost(score, found[index - 1]?.score ?? 1)
        assert.strictEqual(ranks.vector, placeIn(vector, chunk.id))
        assert.strictEqual(ranks.keyword, placeIn(keyword, chunk.id))
      })
    }
  )

  it.prop("keeps the order of a half that found everything alone, scaled to 0..1", [Half], ([pairs]) => {
    const alone = half(pairs)
    for (const found of [fuse(alone, []), fuse([], alone)]) {
      assert.deepStrictEqual(
        found.map(({ chunk }) => chunk.id),
        alone.map((candidate) => candidate.id)
      )
      if (found.length > 0) assert.strictEqual(found[0]?.score, 1)
    }
  })

  it.prop("does not depend on the halves' units", [Half, Half], ([a, b]) => {
    const scaled = (candidates: ReadonlyArray<Candidate>) =>
      candidates.map((candidate) => ({ ...candidate, score: candidate.score * 8 }))
    const scores = (passages: ReturnType<typeof fuse>) => new Map(passages.map(({ chunk, score }) => [chunk.id, score]))
    const before = scores(fuse(half(a), half(b)))
    for (const [id, score] of scores(fuse(half(a), scaled(half(b))))) assert.closeTo(score, before.get(id) ?? 0, 1e-9)
  })

  it("finds nothing in nothing", () => {
    assert.deepStrictEqual(fuse([], []), [])
  })

  it("puts what both halves found first, and meaning before words", () => {
    const vector = [passage(1, 0.9), passage(2, 0.8), passage(3, 0.2)]
    const keyword = [passage(4, 7), passage(2, 6), passage(5, 1)]
    assert.deepStrictEqual(
      fuse(vector, keyword).map(({ chunk }) => chunk.position),
      [2, 1, 4, 3, 5]
    )
  })

  it("is fair to passages that scored the same", () => {
    const found = fuse([passage(1, 0.5), passage(2, 0.5)], [passage(2, 3), passage(1, 3)])
    assert.deepStrictEqual(
      found.map(({ chunk, score }) => [chunk.position, score]),
      [
        [1, 1],
        [2, 1]
      ]
    )
  })
})

describe("bestOfEach", () => {
  it.prop("keeps the first passage of each owner and no other", [Half, Half], ([a, b]) => {
    const found = fuse(half(a), half(b))
    const best = bestOfEach(found)
    assert.deepStrictEqual(
      best,
      found.filter((one, index) => found.findIndex((other) => other.chunk.refId === one.chunk.refId) === index)
    )
  })

  it("tells an event from a document with the same id", () => {
    const found = fuse([passage(1, 2), { ...passage(1, 1), kind: "event" }], [])
    assert.strictEqual(bestOfEach(found).length, 2)
  })
})
