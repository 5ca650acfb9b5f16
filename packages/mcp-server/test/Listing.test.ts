import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { Base64Url } from "effect/encoding"
import { listPageSize, pageOf } from "../src/edge/Listing.ts"
import type { RegisteredTool } from "../src/registry/RegisteredTool.ts"
import { registeredTool } from "./ToolFixtures.ts"

const nameOf = (index: number) => `fake_${String(index).padStart(5, "0")}`

const actions = (indexes: Iterable<number>): ReadonlyArray<RegisteredTool> =>
  Array.from(indexes, (index) => registeredTool(nameOf(index)))

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Our own come first, in an order that is not that of their names. */
const own = ["context_create", "context_append"].map((name) => registeredTool(name, { toolset: "context" }))

const namesOf = (tools: ReadonlyArray<RegisteredTool>) => tools.map(({ definition }) => definition.name)

/** Pages of a list that is another one each time. */
const walk = (listAt: (page: number) => ReadonlyArray<RegisteredTool>) => {
  const pages: Array<ReadonlyArray<string>> = []
  let cursor: string | undefined
  do {
    const page = Option.getOrThrow(pageOf(listAt(pages.length), cursor))
    pages.push(namesOf(page.tools))
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return pages
}

describe("pages of tools", () => {
  for (const count of [0, 1, listPageSize - 1, listPageSize, listPageSize + 1, listPageSize * 3]) {
    it(`have each of ${count} tools once and in order`, () => {
      const tools = actions(range(count))
      const pages = walk(() => tools)
      assert.deepStrictEqual(pages.flat(), namesOf(tools))
      assert.strictEqual(pages.length, Math.max(1, Math.ceil(count / listPageSize)))
    })
  }

  it("have 5,000 tools once while others come and go", () => {
    const all = actions(range(5_000))
    const stays = (index: number) => index % 3 !== 0
    // The last tool of a page is often one that the next list lacks.
    const lists = [0, 1].map((parity) => [...own, ...all.filter((_, index) => stays(index) || index % 2 === parity)])
    const listed = walk((page) => lists[page % 2] ?? []).flat()
    assert.strictEqual(new Set(listed).size, listed.length)
    const missing = new Set([...namesOf(own), ...namesOf(all.filter((_, index) => stays(index)))]).difference(
      new Set(listed)
    )
    assert.deepStrictEqual([...missing], [])
  })

  it.effect.prop(
    "have once what is there all the time, whatever else is there",
    { others: Schema.Array(Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 })))) },
    ({ others }) =>
      Effect.sync(() => {
        const all = actions(range(1_000))
        const listAt = (page: number) => {
          const here = new Set(others[page])
          return all.filter((_, index) => index % 2 === 0 || here.has(index))
        }
        const listed = walk(listAt).flat()
        const stay = new Set(namesOf(all.filter((_, index) => index % 2 === 0)))
        assert.strictEqual(new Set(listed).size, listed.length)
        assert.deepStrictEqual(
          listed.filter((name) => stay.has(name)),
          [...stay]
        )
      }),
    { arbitrary: { runs: 30 } }
  )

  it("go on where they were when the tool they ended with is gone", () => {
    const tools = actions(range(listPageSize + 3))
    const cursor = Option.getOrThrow(pageOf(tools, undefined)).nextCursor
    const without = tools.filter(({ definition }) => definition.name !== nameOf(listPageSize - 1))
    const next = Option.getOrThrow(pageOf(without, cursor))
    assert.deepStrictEqual(
      namesOf(next.tools),
      range(3).map((index) => nameOf(listPageSize + index))
    )
    const fewer = Option.getOrThrow(pageOf(actions(range(5)), cursor))
    assert.deepStrictEqual(fewer, { tools: [] })
  })

  it("do not exist for what is no cursor", () => {
    for (const cursor of ["", "nonsense", "%%%", Base64Url.encode("fake_00001"), Base64Url.encode("after:a b")]) {
      assert.isTrue(Option.isNone(pageOf(actions(range(3)), cursor)))
    }
  })
})
