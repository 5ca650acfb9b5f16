import * as McpTools from "@devops-mcp/contract/McpTools"
import { allows } from "@devops-mcp/core/Policy"
import type { Principal } from "@devops-mcp/domain/Principal"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { makeActionTools } from "../src/registry/ActionTools.ts"
import { callToolName, makeDiscoveryTools, unwrap } from "../src/registry/DiscoveryTools.ts"
import type { RegisteredTool } from "../src/registry/RegisteredTool.ts"
import { makeToolIndex } from "../src/registry/ToolSearch.ts"
import { callOf, CatalogueLayer, configureMany, principalOf } from "./CatalogueFixtures.ts"
import { registeredTool, writes } from "./ToolFixtures.ts"

const namesOf = (tools: ReadonlyArray<RegisteredTool>) => tools.map(({ definition }) => definition.name)

const found = (tools: ReadonlyArray<RegisteredTool>, query: string, limit = 10) =>
  Effect.map(makeToolIndex(tools), (index) => namesOf(index.search(query, limit).map(({ tool }) => tool)))

const tools = [
  registeredTool("github_list_issues", { description: "Lists the issues of a repository", parameters: ["state"] }),
  registeredTool("github_create_issue", { description: "Opens an issue", annotations: writes }),
  registeredTool("git_log", {
    description: "History of a branch, newest commit first",
    parameters: ["since", "author"]
  }),
  registeredTool("git_blame", { description: "Who changed each line of a file" }),
  registeredTool("jira_search", { description: "Finds tickets", title: "Search Jira issues" }),
  registeredTool("k8s_getPods", { description: "Pods of a namespace" })
]

describe("the search of tools", () => {
  it.effect("finds by words of the name, the description and the arguments", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* found(tools, "git_log"))[0], "git_log")
      assert.strictEqual((yield* found(tools, "history of commits"))[0], "git_log")
      assert.deepStrictEqual(yield* found(tools, "author"), ["git_log"])
      assert.deepStrictEqual(yield* found(tools, "pods"), ["k8s_getPods"])
      assert.deepStrictEqual((yield* found(tools, "WHO changed this line?"))[0], "git_blame")
    })
  )

  it.effect("counts the name for more than the texts, and the whole name for most", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* found(tools, "search"))[0], "jira_search")
      assert.strictEqual((yield* found(tools, "list issues"))[0], "github_list_issues")
      assert.strictEqual((yield* found(tools, "create an issue"))[0], "github_create_issue")
      const long = registeredTool("other", { description: "like github_list_issues, but it lists all github issues" })
      assert.strictEqual((yield* found([long, ...tools], "github_list_issues"))[0], "github_list_issues")
    })
  )

  it.effect("finds by the beginning of a name's part, and prefers the whole", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* found(tools, "bla"), ["git_blame"])
      const others = ["x_committer", "x_commits_all", "x_commit"].map((name) => registeredTool(name))
      assert.strictEqual((yield* found(others, "commit"))[2], "x_committer")
      assert.deepStrictEqual(yield* found(tools, "b"), [])
    })
  )

  it.effect("finds nothing for what is nowhere, and everything asked for at most", () =>
    Effect.gen(function* () {
      for (const query of ["zebra", "", "   ", "()*", "__proto__", "constructor"]) {
        assert.deepStrictEqual(yield* found(tools, query), [])
      }
      assert.lengthOf(yield* found(tools, "github git issue", 2), 2)
      assert.deepStrictEqual(yield* found([], "git"), [])
    })
  )

  it.effect("keeps the order of equal ones", () =>
    Effect.gen(function* () {
      const equal = ["b", "a", "c"].map((name) => registeredTool(`${name}_thing`))
      assert.deepStrictEqual(yield* found(equal, "thing"), ["b_thing", "a_thing", "c_thing"])
    })
  )

  it.effect.prop("bears any query, and scores fall", { query: Schema.String }, ({ query }) =>
    Effect.gen(function* () {
      const scores = (yield* makeToolIndex(tools)).search(query, 10).map(({ score }) => score)
      assert.isTrue(scores.every((score) => Number.isFinite(score) && score > 0))
      assert.deepStrictEqual(
        scores,
        scores.toSorted((a, b) => b - a)
      )
    })
  )
})

/** The discovery tools over a catalogue of 5,000 actions, seen with a caller's permissions. */
const discovery = Effect.gen(function* () {
  yield* configureMany
  const actions = yield* makeActionTools
  const visible = (principal: Principal) =>
    Effect.map(actions.tools(principal), (all) =>
      [...all.values()].map(({ tool }) => tool).filter(({ scope }) => allows(principal, scope))
    )
  const source = yield* makeDiscoveryTools(visible)
  const run = Effect.fnUntraced(function* (
    name: string,
    input: Schema.JsonObject,
    principal: Principal = principalOf("operator")
  ) {
    const tool = (yield* source.tools(principal)).get(name) ?? (yield* Effect.die(new Error(name)))
    return yield* tool.run(callOf({ principal, arguments: input }))
  })
  const ask = <A>(
    output: Schema.Decoder<A>,
    name: string,
    input: Schema.JsonObject,
    principal?: Principal
  ): Effect.Effect<A, unknown> =>
    Effect.flatMap(run(name, input, principal), (outcome) =>
      outcome._tag === "Result"
        ? Schema.decodeEffect(output)(outcome.structured, { onExcessProperty: "error" })
        : Effect.die(outcome)
    )
  const search = (input: Schema.JsonObject, principal?: Principal) =>
    Effect.map(ask(McpTools.toolsSearch.output, "tools_search", input, principal), ({ items }) => items)
  const describeTools = (names: ReadonlyArray<string>, principal?: Principal) =>
    ask(McpTools.toolsDescribe.output, "tools_describe", { names }, principal)
  return { source, run, search, describeTools }
})

const test = (name: string, body: Effect.Effect<void, unknown, Effect.Services<typeof discovery>>) =>
  it.effect(name, () => body.pipe(Effect.provide(CatalogueLayer)))

describe("the discovery tools", () => {
  test(
    "find an action among 5,000",
    Effect.gen(function* () {
      const { search } = yield* discovery
      const hits = yield* search({ query: "retry the runner of tool17", limit: 5 })
      assert.strictEqual(hits[0]?.name, "tool17_retry_runners")
      assert.strictEqual(hits[0]?.toolset, "tool17")
      assert.deepStrictEqual(hits[0]?.annotations, { ...writes, openWorldHint: true })
      assert.lengthOf(hits, 5)
    })
  )

  test(
    "show only what the caller may use",
    Effect.gen(function* () {
      const { describeTools, search } = yield* discovery
      const viewer = principalOf("viewer")
      assert.deepStrictEqual(yield* search({ query: "retry" }, viewer), [])
      assert.deepStrictEqual(yield* search({ query: "retry", readOnly: true }), [])
      const readable = yield* search({ query: "tag issues", readOnly: true, limit: 50 })
      assert.lengthOf(readable, 50)
      assert.isTrue(readable.every(({ annotations }) => annotations.readOnlyHint))
      const names = ["tool01_list_tags", "tool01_delete_tags", "nothing"]
      const forViewer = yield* describeTools(names, viewer)
      assert.deepStrictEqual(forViewer.unknown, ["tool01_delete_tags", "nothing"])
      const forOperator = yield* describeTools([...names, names[0]!])
      assert.deepStrictEqual(
        forOperator.items.map(({ name }) => name),
        names.slice(0, 2)
      )
      assert.deepStrictEqual(forOperator.unknown, ["nothing"])
      assert.deepStrictEqual(Object.keys(Object(forOperator.items[0]?.inputSchema["properties"])), [
        "project",
        "place",
        "tags"
      ])
    })
  )

  test(
    "refuse what does not fit their schemas",
    Effect.gen(function* () {
      const { run } = yield* discovery
      const names = Array.from({ length: 21 }, (_, index) => `t${index}`)
      for (const [name, input] of [
        ["tools_search", {}],
        ["tools_search", { query: "" }],
        ["tools_search", { query: "q".repeat(501) }],
        ["tools_search", { query: "q", limit: 51 }],
        ["tools_search", { query: "q", more: 1 }],
        ["tools_describe", { names: [] }],
        ["tools_describe", { names }]
      ] as const) {
        assert.strictEqual((yield* Effect.flip(run(name, input)))._tag, "SchemaError")
      }
    })
  )

  test(
    "say that nothing changes to who may change nothing",
    Effect.gen(function* () {
      const { source } = yield* discovery
      const hints = (role: "viewer" | "agent") =>
        Effect.map(source.tools(principalOf(role)), (tools) =>
          [...tools].map(([name, { tool }]) => [name, tool.definition.annotations.readOnlyHint])
        )
      assert.deepStrictEqual(yield* hints("viewer"), [
        ["tools_search", true],
        ["tools_describe", true],
        ["tools_call", true]
      ])
      assert.deepStrictEqual(yield* hints("agent"), [
        ["tools_search", true],
        ["tools_describe", true],
        ["tools_call", false]
      ])
      for (const { tool } of (yield* source.tools(principalOf("agent"))).values()) {
        assert.strictEqual(tool.toolset, "discovery")
        assert.strictEqual(tool.definition.inputSchema.type, "object")
        assert.strictEqual(tool.definition.outputSchema?.type, "object")
      }
    })
  )

  it.effect("know what tools_call is about", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* unwrap({ name: "git_log" }), {
        name: "git_log",
        arguments: {},
        confirmationToken: undefined
      })
      const whole = { name: "git_reset", arguments: { ref: "x" }, confirmationToken: "token" }
      assert.deepStrictEqual(yield* unwrap(whole), whole)
      for (const wrong of [{}, { name: "" }, { name: 1 }, { name: "a", arguments: [] }, { name: "a", args: {} }]) {
        assert.strictEqual((yield* Effect.flip(unwrap(wrong)))._tag, "SchemaError")
      }
    })
  )

  test(
    "do not call themselves",
    Effect.gen(function* () {
      const { run } = yield* discovery
      const outcome = yield* run(callToolName, { name: callToolName })
      assert.strictEqual(outcome._tag === "Error" ? outcome.error.code : outcome._tag, "invalid_arguments")
    })
  )
})
