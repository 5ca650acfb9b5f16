import { assert, describe, it, layer } from "@effect/vitest"
import { scopesOf } from "@devops-mcp/core/Policy"
import { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import type { Role } from "@devops-mcp/domain/Principal"
import { mcpRequestDuration } from "@devops-mcp/observability/Metrics"
import { Effect, Logger, Metric, Queue, Schema } from "effect"
import { expect } from "vitest"
import { resultTokenLimit } from "../src/registry/ResultLimit.ts"
import { ToolRegistry } from "../src/registry/ToolRegistry.ts"
import type { ClientPort } from "../src/registry/ToolCall.ts"
import { type View, wholeCatalogue } from "../src/registry/View.ts"
import { contextId, contexts, deadLetter, Observed, principalOf, ToolRegistryFake } from "./Fakes.ts"

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))
const encodePretty = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown, { space: 2 }))

const encodeLetter = Schema.encodeSync(Schema.toCodecJson(DeadLetter))

const requestId = "request-1"

const list = (role: Role, view: View = wholeCatalogue) =>
  Effect.flatMap(ToolRegistry, (registry) =>
    Effect.map(registry.list(principalOf(role), view), (tools) => tools.map(({ definition }) => definition))
  )

const names = (role: Role, view: View = wholeCatalogue) =>
  Effect.map(list(role, view), (tools) => tools.map(({ name }) => name))

/** A client that can do nothing but call. */
const client: ClientPort = {
  capabilities: {},
  progress: () => Effect.void,
  log: () => Effect.void,
  responses: {},
  sealedState: undefined
}

const call = (
  name: string,
  input: Record<string, unknown> = {},
  role: Role = "operator",
  view: View = wholeCatalogue
) =>
  Effect.flatMap(ToolRegistry, (registry) =>
    registry.call({ principal: principalOf(role), requestId, view, name, arguments: input, client })
  )

const failing = Effect.fnUntraced(function* (...request: Parameters<typeof call>) {
  const outcome = yield* call(...request)
  assert.strictEqual(outcome._tag, "Error")
  return outcome._tag === "Error" ? outcome.error : { code: "", detail: "", retryable: false }
})

const nothing: Schema.JsonObject = {}

const succeeding = Effect.fnUntraced(function* (name: string, input: Record<string, unknown>) {
  const outcome = yield* call(name, input)
  assert.strictEqual(outcome._tag, "Result")
  return outcome._tag === "Result" ? { links: [], ...outcome } : { structured: nothing, text: "", links: [] }
})

const measured = (tool: string, outcome: string) =>
  Metric.value(Metric.withAttributes(mcpRequestDuration, { method: "tools/call", tool, outcome })).pipe(
    Effect.map(({ count }) => count)
  )

const ownTools = [
  "context_create",
  "context_append",
  "context_get",
  "context_search",
  "context_compact",
  "context_list",
  "knowledge_search",
  "document_add",
  "events_list",
  "event_get",
  "queues_list",
  "dead_letters_list",
  "dead_letter_get",
  "dead_letters_redrive",
  "dead_letters_discard",
  "tools_search",
  "tools_describe",
  "tools_call"
]

layer(ToolRegistryFake)("the catalogue", (it) => {
  it.effect("has our own tools in their order, then the configured ones by name", () =>
    Effect.gen(function* () {
      const all = yield* names("operator")
      assert.deepStrictEqual(all.slice(0, ownTools.length), ownTools)
      const configured = all.slice(ownTools.length)
      assert.deepStrictEqual(configured, configured.toSorted())
      assert.include(configured, "my-git_push")
      assert.deepStrictEqual(yield* names("operator"), all)
    })
  )

  it.effect("offers each role what its scopes allow, and more to a role that includes another", () =>
    Effect.gen(function* () {
      const viewer = yield* names("viewer")
      assert.deepStrictEqual(
        viewer.filter((name) => ownTools.includes(name)),
        [
          "context_get",
          "context_search",
          "context_list",
          "knowledge_search",
          "events_list",
          "event_get",
          "tools_search",
          "tools_describe",
          "tools_call"
        ]
      )
      assert.notInclude(viewer, "zulu_push")
      const agent = yield* names("agent")
      assert.include(agent, "zulu_push")
      assert.notInclude(agent, "zulu_drop")
      assert.notInclude(agent, "document_add")
      assert.deepStrictEqual(
        agent.filter((name) => /^(queues|dead)_/.test(name)),
        []
      )
      const operator = yield* names("operator")
      assert.include(operator, "zulu_drop")
      assert.includeMembers([...agent], [...viewer])
      assert.includeMembers([...operator], [...agent])
    })
  )

  it.effect("has well-formed tools only", () =>
    Effect.gen(function* () {
      for (const tool of yield* list("operator")) {
        assert.match(tool.name, /^[A-Za-z0-9_.-]{1,128}$/)
        assert.isAbove(tool.title.length, 0)
        assert.isAbove(tool.description.length, 0)
        assert.hasAllKeys(tool.annotations, [
          "title",
          "readOnlyHint",
          "destructiveHint",
          "idempotentHint",
          "openWorldHint"
        ])
        assert.strictEqual(tool.inputSchema.type, "object")
        assert.strictEqual(tool.outputSchema?.type, "object")
        const references = encodeJson(tool).match(/"\$ref":"[^"]*"/g) ?? []
        assert.isTrue(references.every((reference) => reference.startsWith('"$ref":"#/$defs/')))
      }
    })
  )

  it.effect("does not offer destructive actions as harmless", () =>
    Effect.gen(function* () {
      const tools = yield* list("operator")
      const hints = (name: string) => tools.find((tool) => tool.name === name)?.annotations
      assert.include(hints("zulu_drop"), { readOnlyHint: false, destructiveHint: true, openWorldHint: true })
      assert.include(hints("zulu_push"), { readOnlyHint: false, destructiveHint: false })
      assert.include(hints("zulu_log"), { readOnlyHint: true, idempotentHint: true })
    })
  )

  for (const name of ownTools) {
    it.effect(`presents ${name} as recorded`, () =>
      Effect.gen(function* () {
        const tool = (yield* list("operator")).find((candidate) => candidate.name === name)
        yield* Effect.promise(() =>
          expect(`${encodePretty(tool)}\n`).toMatchFileSnapshot(`__snapshots__/tools/${name}.json`)
        )
      })
    )
  }
})

layer(ToolRegistryFake)("a call", (it) => {
  it.effect("gives the result as JSON that fits the output schema, and the same as text", () =>
    Effect.gen(function* () {
      const { structured, text } = yield* succeeding("context_create", { name: "mine", metadata: { a: [1, null] } })
      assert.strictEqual(structured["createdAt"], "1970-01-01T00:00:00.000Z")
      assert.deepStrictEqual(structured["metadata"], { a: [1, null] })
      assert.strictEqual(text, encodeJson(structured))
    })
  )

  it.effect("shows the queues and their dead letters, and puts back or discards what is named", () =>
    Effect.gen(function* () {
      const queue = "deliveries"
      const deadLetterId = deadLetter.id
      const shown = encodeLetter(deadLetter)
      assert.deepStrictEqual((yield* succeeding("queues_list", {})).structured, {
        items: [{ name: queue, depth: 2, inFlight: 1, deadLetters: 1, oldestAgeSeconds: 0.5 }],
        nextCursor: null
      })
      assert.strictEqual((yield* failing("queues_list", { queue })).code, "invalid_arguments")
      const page = { items: [shown], nextCursor: null }
      assert.deepStrictEqual((yield* succeeding("dead_letters_list", { queue })).structured, page)
      const read = yield* succeeding("dead_letter_get", { queue, deadLetterId })
      assert.deepStrictEqual<Schema.Json>(read.structured, shown)
      const elsewhere = yield* failing("dead_letter_get", { queue: "tasks", deadLetterId })
      assert.strictEqual(elsewhere.code, "not_found")
      const ids = [deadLetterId, contextId]
      assert.deepStrictEqual((yield* succeeding("dead_letters_redrive", { queue, ids })).structured, { redriven: 2 })
      assert.deepStrictEqual((yield* succeeding("dead_letters_redrive", { queue })).structured, { redriven: 1 })
      const reason = "Obsolete"
      const discarded = yield* succeeding("dead_letters_discard", { queue, ids: [deadLetterId], reason })
      assert.deepStrictEqual(discarded.structured, { discarded: 1 })
      const all = yield* succeeding("dead_letters_discard", { queue, all: true, reason })
      assert.deepStrictEqual(all.structured, { discarded: 1 })
      assert.include((yield* failing("dead_letters_discard", { queue, reason })).detail, "either ids, or all: true")
      for (const wrong of [
        { queue },
        { queue, reason },
        { queue, reason, all: false },
        { queue, reason, all: true, ids: [deadLetterId] },
        { queue, all: true, reason: " " },
        { queue, reason, ids: [] },
        { queue, reason, ids: Array.from({ length: 201 }, () => deadLetterId) },
        { queue: "none", reason, all: true }
      ]) {
        assert.strictEqual((yield* failing("dead_letters_discard", wrong)).code, "invalid_arguments")
      }
      assert.strictEqual((yield* failing("dead_letters_redrive", { queue }, "agent")).code, "forbidden")
    })
  )

  it.effect("reaches a configured tool whose name contains a separator, the shortest name first", () =>
    Effect.gen(function* () {
      const logged = yield* succeeding("my-git_log", { ref: "main" })
      assert.deepStrictEqual(logged.structured, { config: "my-git", ref: "main" })
      assert.deepStrictEqual((yield* succeeding("a_b_log", {})).structured, { config: "a_b" })
      assert.deepStrictEqual((yield* succeeding("zulu_b_log", {})).structured, { reading: "b_log" })
    })
  )

  it.effect("names each wrong argument, and not more than a few", () =>
    Effect.gen(function* () {
      const wrong = { contextId, items: [{ role: "robot", content: 1 }], x: 1 }
      const { code, detail } = yield* failing("context_append", wrong)
      assert.strictEqual(code, "invalid_arguments")
      assert.include(detail, "/x: ")
      assert.include(detail, "/items/0/role: ")
      assert.include(detail, "/items/0/content: ")
      const items = Array.from({ length: 500 }, () => ({ role: "y".repeat(10_000) }))
      const long = yield* failing("context_append", { contextId, items })
      assert.isBelow(long.detail.length, 2000)
      assert.include(long.detail, "and 995 more")
    })
  )

  it.effect("explains typed failures, without what caused them", () =>
    Effect.gen(function* () {
      const missing = yield* failing("context_get", { contextId: contexts.missingContext })
      assert.deepStrictEqual([missing.code, missing.retryable], ["not_found", false])
      const stale = yield* failing("context_compact", { contextId: contexts.staleContext, maxTokens: 10 })
      assert.deepStrictEqual([stale.code, stale.retryable], ["stale", true])
      const down = yield* failing("context_search", { contextId, query: "why" })
      assert.deepStrictEqual([down.code, down.retryable], ["unavailable", true])
      assert.notInclude(encodeJson(down), "secret")
      const tool = yield* failing("zulu_fail")
      assert.deepStrictEqual(tool, { code: "unavailable", detail: "The tool is away", retryable: true })
    })
  )

  it.effect("hides what died, and gives the request id to ask about", () =>
    Effect.gen(function* () {
      const errors: Array<unknown> = []
      const collect = Logger.make(({ logLevel, cause }) => (logLevel === "Error" ? errors.push(cause) : 0))
      const error = yield* failing("context_get", { contextId: contexts.brokenContext }).pipe(
        Effect.provide(Logger.layer([collect]))
      )
      assert.strictEqual(error.code, "internal")
      assert.strictEqual(errors.length, 1)
      assert.include(error.detail, requestId)
      assert.notInclude(error.detail, "hunter2")
    })
  )

  it.effect("is refused without the scope, whatever the arguments", () =>
    Effect.gen(function* () {
      assert.notInclude(scopesOf("viewer"), "contexts:write")
      const refused = [
        ["context_create", "viewer"],
        ["zulu_push", "viewer"],
        ["zulu_drop", "agent"]
      ] as const
      for (const [name, role] of refused) {
        assert.strictEqual((yield* failing(name, { nonsense: 1 }, role)).code, "forbidden")
      }
    })
  )

  it.effect("of an unknown tool fails", () =>
    Effect.gen(function* () {
      const long = `${"z".repeat(200)}_log`
      for (const name of ["nothing", "nothing_log", "_log", "zulu_", "zulu_none", long, "__proto__"]) {
        const error = yield* Effect.flip(call(name))
        assert.strictEqual(error.code, -32602)
        assert.include(error.detail, "Unknown tool")
      }
    })
  )

  it.effect("that reads more than agents can use gives what fits, and a link to the rest", () =>
    Effect.gen(function* () {
      const outcome = yield* succeeding("context_get", { contextId: contexts.hugeContext })
      assert.isBelow(outcome.text.split(" ").length, resultTokenLimit)
      assert.match(encodeJson(outcome.links), /"type":"resource_link".*"uri":"result:\/\//)
    })
  )

  it.effect("through `tools_call` is a call of the tool inside", () =>
    Effect.gen(function* () {
      const inner = { name: "my-git_log", arguments: { ref: "main" } }
      const { structured } = yield* succeeding("tools_call", inner)
      assert.deepStrictEqual(structured, { config: "my-git", ref: "main" })
      const push = { name: "zulu_push", arguments: {} }
      assert.strictEqual((yield* failing("tools_call", push, "viewer")).code, "forbidden")
      const itself = yield* failing("tools_call", { name: "tools_call", arguments: {} })
      assert.strictEqual(itself.code, "invalid_arguments")
    })
  )

  it.effect("reaches what the address selects and nothing else", () =>
    Effect.gen(function* () {
      const contextsOnly: View = { toolsets: new Set(["context"]), readOnly: false }
      assert.deepStrictEqual(yield* names("operator", contextsOnly), ownTools.slice(0, 6))
      yield* Effect.flip(call("zulu_log", {}, "operator", contextsOnly))
      const discovery: View = { toolsets: new Set(["discovery"]), readOnly: true }
      assert.deepStrictEqual((yield* names("operator", discovery)).slice(0, 2), ["tools_search", "tools_describe"])
      yield* Effect.flip(call("zulu_log", {}, "operator", discovery))
    })
  )

  it.effect("that changes something reports it, with long texts cut", () =>
    Effect.gen(function* () {
      const text = "word ".repeat(resultTokenLimit + 1)
      const { structured } = yield* succeeding("document_add", { title: "long", text })
      assert.strictEqual(structured["status"], "pending")
      assert.isBelow(String(structured["text"]).length, text.length)
      assert.match(String(structured["text"]), /… \(\d+ more characters\)$/)
    })
  )
})

describe("the record of calls", () => {
  it.effect("has one act for each, with its outcome and none of its arguments", () =>
    Effect.gen(function* () {
      const { acts } = yield* Observed
      const before = yield* measured("zulu_fail", "failed")
      const unknownBefore = yield* measured("unknown", "failed")
      yield* call("context_create", { name: "very secret" })
      yield* call("context_create", { name: "very secret" }, "viewer")
      yield* call("context_get", { contextId: contexts.brokenContext })
      yield* call("zulu_fail", { ref: "very secret" })
      yield* Effect.flip(call("very_secret"))
      const recorded = yield* Queue.takeN(acts, 5)
      assert.deepStrictEqual(
        recorded.map(({ action, outcome }) => [action, outcome]),
        [
          ["mcp.context_create", "ok"],
          ["mcp.context_create", "denied"],
          ["mcp.context_get", "failed"],
          ["mcp.zulu_fail", "failed"],
          ["mcp.unknown", "failed"]
        ]
      )
      for (const act of recorded) {
        assert.strictEqual(act.requestId, requestId)
        assert.isAtLeast(act.durationMs, 0)
      }
      assert.notInclude(encodeJson(recorded), "secret")
      assert.strictEqual(yield* Queue.size(acts), 0)
      assert.strictEqual(yield* measured("zulu_fail", "failed"), before + 1)
      assert.strictEqual(yield* measured("unknown", "failed"), unknownBefore + 1)
      assert.strictEqual(yield* measured("very_secret", "failed"), 0)
    }).pipe(Effect.provide(ToolRegistryFake))
  )
})
