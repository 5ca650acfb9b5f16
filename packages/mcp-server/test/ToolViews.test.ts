import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { inView, viewOf } from "../src/registry/ToolViews.ts"
import { reads, registeredTool, writes } from "./ToolFixtures.ts"

const known = new Set(["context", "knowledge", "events", "discovery", "git", "my-git"])

const view = (path: string, headers: Record<string, string> = {}) =>
  Result.match(viewOf(path, headers, known), {
    onFailure: (refused) => refused.detail,
    onSuccess: ({ readOnly, toolsets }) => ({ toolsets: toolsets && [...toolsets].toSorted(), readOnly })
  })

const everything = { toolsets: undefined, readOnly: false }

describe("the view of an address", () => {
  it("is everything at /mcp", () => {
    for (const path of ["/mcp", "/mcp/", "/mcp/x/all", "/mcp/x/git,all"]) assert.deepStrictEqual(view(path), everything)
  })

  it("is what it names", () => {
    assert.deepStrictEqual(view("/mcp/readonly"), { toolsets: undefined, readOnly: true })
    assert.deepStrictEqual(view("/mcp/x/git"), { toolsets: ["git"], readOnly: false })
    assert.deepStrictEqual(view("/mcp/x/git,%20my-git%2Cevents"), {
      toolsets: ["events", "git", "my-git"],
      readOnly: false
    })
    assert.deepStrictEqual(view("/mcp/x/git,context/readonly"), { toolsets: ["context", "git"], readOnly: true })
  })

  it("is narrowed by headers and never widened", () => {
    assert.deepStrictEqual(view("/mcp", { "x-mcp-toolsets": "git, events" }), {
      toolsets: ["events", "git"],
      readOnly: false
    })
    assert.deepStrictEqual(view("/mcp/x/git,context", { "x-mcp-toolsets": "git,events" }), {
      toolsets: ["git"],
      readOnly: false
    })
    assert.deepStrictEqual(view("/mcp/x/git", { "x-mcp-toolsets": "events" }), { toolsets: [], readOnly: false })
    assert.deepStrictEqual(view("/mcp/x/git", { "x-mcp-toolsets": "all" }), { toolsets: ["git"], readOnly: false })
    assert.deepStrictEqual(view("/mcp", { "x-mcp-toolsets": " " }), everything)
    assert.deepStrictEqual(view("/mcp", { "x-mcp-readonly": "true" }), { toolsets: undefined, readOnly: true })
    assert.deepStrictEqual(view("/mcp/readonly", { "x-mcp-readonly": "false" }), {
      toolsets: undefined,
      readOnly: true
    })
  })

  it("does not exist for toolsets that are not there", () => {
    assert.strictEqual(view("/mcp/x/gti"), "Unknown toolset: 'gti'")
    assert.strictEqual(view("/mcp/x/git,a,b"), "Unknown toolsets: 'a', 'b'")
    assert.strictEqual(view("/mcp/x/git", { "x-mcp-toolsets": "nothing" }), "Unknown toolset: 'nothing'")
    assert.isBelow(String(view(`/mcp/x/${"z".repeat(5000)}`)).length, 200)
    const many = Array.from({ length: 5000 }, (_, index) => `t${index}`).join()
    assert.include(view(`/mcp/x/${many}`), "More than 100")
  })

  it("does not exist for other addresses", () => {
    for (const path of ["/mcp/x", "/mcp/x/", "/mcp/y/git", "/mcp/x/git/readonly/more", "/mcp/x/%ff", "/mcpx", "/"]) {
      assert.strictEqual(view(path), "This is no address of the MCP server")
    }
  })
})

describe("a tool", () => {
  const look = registeredTool("git_log", { toolset: "git", annotations: reads })
  const push = registeredTool("git_push", { toolset: "git", annotations: writes })
  const offered = (toolsets: ReadonlyArray<string> | undefined, readOnly: boolean) =>
    [look, push]
      .filter((tool) => inView({ toolsets: toolsets && new Set(toolsets), readOnly }, tool))
      .map(({ definition }) => definition.name)

  it("is offered where its toolset is, and only reads are where nothing may change", () => {
    assert.deepStrictEqual(offered(undefined, false), ["git_log", "git_push"])
    assert.deepStrictEqual(offered(["git", "events"], false), ["git_log", "git_push"])
    assert.deepStrictEqual(offered(["events"], false), [])
    assert.deepStrictEqual(offered([], false), [])
    assert.deepStrictEqual(offered(undefined, true), ["git_log"])
    assert.deepStrictEqual(offered(["git"], true), ["git_log"])
  })
})
