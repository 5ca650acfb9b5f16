import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { listPageSize, pageOf } from "../src/edge/Listing.ts"
import type { RegisteredTool } from "../src/registry/RegisteredTool.ts"

const toolsOf = (count: number): ReadonlyArray<RegisteredTool> =>
  Array.from({ length: count }, (_, index) => ({
    name: `tool_${index}`,
    title: "",
    description: "",
    inputSchema: { type: "object" },
    outputSchema: { type: "object" },
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false }
  }))

const walk = (tools: ReadonlyArray<RegisteredTool>) => {
  const pages: Array<ReadonlyArray<RegisteredTool>> = []
  let cursor: string | undefined
  do {
    const page = Option.getOrThrow(pageOf(tools, cursor))
    pages.push(page.tools)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return pages
}

describe("pages of tools", () => {
  for (const count of [0, 1, listPageSize - 1, listPageSize, listPageSize + 1, listPageSize * 3]) {
    it(`have each of ${count} tools once and in order`, () => {
      const tools = toolsOf(count)
      const pages = walk(tools)
      assert.deepStrictEqual(pages.flat(), [...tools])
      assert.strictEqual(pages.length, Math.max(1, Math.ceil(count / listPageSize)))
    })
  }

  it("go on where they were when a tool has come in between", () => {
    const tools = toolsOf(listPageSize + 1)
    const cursor = Option.getOrThrow(pageOf(tools, undefined)).nextCursor
    const [first, ...rest] = toolsOf(1)
    const now = first === undefined ? tools : [{ ...first, name: "another" }, ...rest, ...tools]
    const next = Option.getOrThrow(pageOf(now, cursor))
    assert.deepStrictEqual(
      next.tools.map((tool) => tool.name),
      [`tool_${listPageSize}`]
    )
  })

  it("do not exist for a cursor that is not of this list", () => {
    for (const cursor of ["", "nonsense", "%%%", "dG9vbF85OTk"]) {
      assert.isTrue(Option.isNone(pageOf(toolsOf(3), cursor)))
    }
  })
})
