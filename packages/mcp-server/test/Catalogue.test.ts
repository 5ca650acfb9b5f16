import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { Tools } from "@devops-mcp/core/tools/Tools"
import type { Principal } from "@devops-mcp/domain/Principal"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { pageOf } from "../src/edge/Listing.ts"
import { catalogueTimeToLive, makeActionTools } from "../src/registry/ActionTools.ts"
import type { ToolOutcome } from "../src/registry/RegisteredTool.ts"
import {
  Asked,
  callOf,
  CatalogueLayer,
  configureMany,
  otherTenant,
  principalOf,
  tenantId
} from "./CatalogueFixtures.ts"

const operator = principalOf("operator")

/** The source with fifty configured tools, and a way to run one. */
const catalogue = Effect.gen(function* () {
  yield* configureMany
  const source = yield* makeActionTools
  const find = Effect.fnUntraced(function* (name: string, principal: Principal = operator) {
    return (yield* source.tools(principal)).get(name) ?? (yield* Effect.die(new Error(`No tool ${name}`)))
  })
  const run = (name: string, options: Parameters<typeof callOf>[0] = {}) =>
    Effect.flatMap(find(name), (tool) => tool.run(callOf(options)))
  return { source, find, run, asked: yield* Asked, tools: yield* Tools }
})

const tagOf = (outcome: ToolOutcome) => (outcome._tag === "Error" ? outcome.error.code : outcome._tag)

const test = (name: string, body: Effect.Effect<void, unknown, Effect.Services<typeof catalogue> | ToolRepository>) =>
  it.effect(name, () => body.pipe(Effect.provide(CatalogueLayer)))

describe("the catalogue of 5,000 actions", () => {
  test(
    "is complete, in the order of names, and can be listed page by page",
    Effect.gen(function* () {
      const { source } = yield* catalogue
      const all = [...(yield* source.tools(operator)).values()].map(({ tool }) => tool)
      const names = all.map(({ definition }) => definition.name)
      assert.strictEqual(names.length, 5_000)
      assert.deepStrictEqual(names, names.toSorted())
      const listed: Array<string> = []
      let cursor: string | undefined
      do {
        const page = Option.getOrThrow(pageOf(all, cursor))
        listed.push(...page.tools.map(({ definition }) => definition.name))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      assert.deepStrictEqual(listed, names)
    })
  )

  test(
    "costs what is costly once, however often it is asked for and whatever changes",
    Effect.gen(function* () {
      const { asked, source, tools } = yield* catalogue
      const first = yield* source.tools(operator)
      for (let index = 0; index < 100; index++) assert.strictEqual(yield* source.tools(operator), first)
      assert.deepStrictEqual([asked.lists, asked.schemas], [1, 100])
      yield* TestClock.adjust(catalogueTimeToLive)
      assert.strictEqual(yield* source.tools(operator), first)
      assert.deepStrictEqual([asked.lists, asked.schemas], [2, 100])
      yield* tools.update(tenantId, "tool07", { config: { changed: true } })
      assert.strictEqual(yield* source.tools(operator), first)
      yield* tools.create(tenantId, { name: "another", kind: "big" })
      const more = yield* source.tools(operator)
      assert.strictEqual(more.size, 5_100)
      assert.strictEqual(more.get("tool07_list_issues"), first.get("tool07_list_issues"))
      assert.deepStrictEqual([asked.lists, asked.schemas], [4, 100])
    })
  )

  test(
    "is asked for once by many at once",
    Effect.gen(function* () {
      const { asked, source } = yield* catalogue
      yield* Effect.all(
        Array.from({ length: 50 }, () => source.tools(operator)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(asked.lists, 1)
    })
  )

  test(
    "shows a change of its tenant at once, and of no other",
    Effect.gen(function* () {
      const { asked, source, tools } = yield* catalogue
      const stranger = principalOf("operator", otherTenant)
      assert.strictEqual((yield* source.tools(stranger)).size, 0)
      yield* source.tools(operator)
      const before = asked.lists
      yield* tools.delete(tenantId, "tool49")
      assert.strictEqual((yield* source.tools(operator)).size, 4_900)
      assert.strictEqual((yield* source.tools(stranger)).size, 0)
      assert.strictEqual(asked.lists, before + 1)
      yield* tools.create(otherTenant, { name: "theirs", kind: "small" })
      assert.deepStrictEqual([...(yield* source.tools(stranger)).keys()], ["theirs_fail"])
      assert.isFalse((yield* source.tools(operator)).has("theirs_fail"))
    })
  )

  test(
    "shows soon what another process changed without a word",
    Effect.gen(function* () {
      const { source } = yield* catalogue
      yield* source.tools(operator)
      yield* (yield* ToolRepository).delete(tenantId, "tool49")
      assert.strictEqual((yield* source.tools(operator)).size, 5_000)
      yield* TestClock.adjust(catalogueTimeToLive)
      assert.strictEqual((yield* source.tools(operator)).size, 4_900)
    })
  )

  test(
    "says of each action where it belongs, what it takes and how it runs",
    Effect.gen(function* () {
      const { find } = yield* catalogue
      const { definition, ...list } = (yield* find("tool03_list_issues")).tool
      assert.deepStrictEqual(list, {
        toolset: "tool03",
        scope: "tools:read",
        execution: "inline",
        headers: [
          { name: "Project", path: ["project"] },
          { name: "Region", path: ["place", "region"] }
        ]
      })
      assert.deepStrictEqual(definition.annotations, {
        title: "list issues",
        readOnlyHint: true,
        destructiveHint: false,
        idempotentHint: true,
        openWorldHint: true
      })
      const retry = (yield* find("tool03_retry_runners")).tool
      assert.deepStrictEqual([retry.scope, retry.execution], ["tools:execute", "task"])
      const remove = (yield* find("tool03_delete_tags")).tool
      assert.deepStrictEqual([remove.scope, remove.execution], ["tools:destroy", "inline"])
      assert.isTrue(remove.definition.annotations.destructiveHint)
    })
  )

  test(
    "gives a name that two tools make to the one with the shorter name",
    Effect.gen(function* () {
      const { find, tools } = yield* catalogue
      yield* tools.create(tenantId, { name: "a_list", kind: "small" })
      yield* tools.create(tenantId, { name: "a", kind: "big" })
      assert.strictEqual((yield* find("a_list_issues")).tool.toolset, "a")
      assert.strictEqual((yield* find("a_list_fail")).tool.toolset, "a_list")
    })
  )
})

describe("a call of an action", () => {
  test(
    "runs with the configuration of now",
    Effect.gen(function* () {
      const { run, tools } = yield* catalogue
      yield* run("tool01_get_tags")
      yield* tools.update(tenantId, "tool01", { config: { version: "new" } })
      const outcome = yield* run("tool01_get_tags", { arguments: { project: "p" } })
      assert.deepStrictEqual(outcome._tag === "Result" ? outcome.structured : outcome, {
        config: { version: "new" },
        input: { project: "p" }
      })
    })
  )

  test(
    "tells what the tool refused",
    Effect.gen(function* () {
      const { run, tools } = yield* catalogue
      yield* tools.create(tenantId, { name: "small", kind: "small" })
      assert.deepStrictEqual(yield* run("small_fail"), {
        _tag: "Error",
        error: { code: "unavailable", detail: "The tool is away", retryable: true }
      })
    })
  )

  test(
    "that takes long is a task for clients that know tasks, and waits for others",
    Effect.gen(function* () {
      const { asked, run } = yield* catalogue
      const capabilities = { extensions: { "io.modelcontextprotocol/tasks": {} } }
      const started = yield* run("tool02_retry_runners", { capabilities })
      assert.strictEqual(started._tag === "Task" ? started.task.kind : started._tag, "tool_action tool02.retry_runners")
      assert.strictEqual((yield* run("tool02_list_runners", { capabilities }))._tag, "Result")
      assert.strictEqual((yield* run("tool02_retry_runners"))._tag, "Result")
      assert.deepStrictEqual(asked.runs, ["list_runners", "retry_runners"])
    })
  )
})

describe("a destructive action", () => {
  const input = { project: "p" }
  const name = "tool04_delete_tags"
  const accepted = { confirm: { action: "accept", content: { confirm: true } } }
  const asking = { arguments: input, capabilities: { elicitation: { form: {} } } }

  test(
    "asks the user, and runs once when they agree",
    Effect.gen(function* () {
      const { asked, run } = yield* catalogue
      const question = yield* run(name, asking)
      assert.strictEqual(question._tag, "InputRequired")
      if (question._tag !== "InputRequired") return
      assert.deepStrictEqual(Object.keys(question.requests), ["confirm"])
      const params = question.requests["confirm"]?.params ?? {}
      assert.include(String(params["message"]), "tool04")
      assert.include(String(params["message"]), '{"project":"p"}')
      assert.deepStrictEqual(asked.runs, [])
      const answer = { ...asking, responses: accepted, state: question.state ?? null }
      assert.strictEqual(tagOf(yield* run(name, answer)), "Result")
      assert.deepStrictEqual(asked.runs, ["delete_tags"])
      const again = yield* Effect.flip(run(name, answer))
      assert.strictEqual(again._tag, "@devops-mcp/domain/Errors/InvalidInput")
      assert.deepStrictEqual(asked.runs, ["delete_tags"])
    })
  )

  test(
    "does not run without a clear yes",
    Effect.gen(function* () {
      const { asked, run } = yield* catalogue
      const question = yield* run(name, asking)
      const state = question._tag === "InputRequired" ? (question.state ?? null) : null
      for (const confirm of [
        { action: "decline" },
        { action: "cancel" },
        { action: "accept" },
        { action: "accept", content: { confirm: false } },
        { action: "accept", content: { confirm: "true" } },
        "yes",
        null
      ]) {
        assert.strictEqual(tagOf(yield* run(name, { ...asking, responses: { confirm }, state })), "declined")
      }
      // An answer to no question, or to one that was not ours, is none.
      assert.strictEqual(tagOf(yield* run(name, { ...asking, responses: accepted })), "InputRequired")
      assert.strictEqual(tagOf(yield* run(name, { ...asking, responses: accepted, state: { a: 1 } })), "InputRequired")
      assert.deepStrictEqual(asked.runs, [])
    })
  )

  test(
    "gives clients that cannot ask their user a token, which is good once",
    Effect.gen(function* () {
      const { asked, run } = yield* catalogue
      for (const capabilities of [{}, { elicitation: { url: {} } }]) {
        assert.strictEqual(tagOf(yield* run(name, { arguments: input, capabilities })), "confirmation_required")
      }
      const refused = yield* run(name, { arguments: input })
      const data = refused._tag === "Error" ? (refused.error.data ?? {}) : {}
      assert.deepStrictEqual(data["preview"], {
        tool: "tool04",
        action: "delete_tags",
        title: "delete tags",
        description: "Can delete any tag of a project. Arguments: project, ref.",
        arguments: input
      })
      const confirmationToken = yield* Schema.decodeUnknownEffect(Schema.String)(data["confirmationToken"])
      yield* Effect.flip(run(name, { arguments: { project: "other" }, confirmationToken }))
      yield* Effect.flip(run(name, { arguments: input, confirmationToken, principal: principalOf("admin") }))
      assert.deepStrictEqual(asked.runs, [])
      assert.strictEqual(tagOf(yield* run(name, { arguments: input, confirmationToken })), "Result")
      yield* Effect.flip(run(name, { arguments: input, confirmationToken }))
      assert.deepStrictEqual(asked.runs, ["delete_tags"])
    })
  )
})
