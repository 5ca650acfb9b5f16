import type { Act } from "@devops-mcp/core/audit/Audit"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import type { Event } from "@devops-mcp/domain/Event"
import * as Tokens from "@devops-mcp/embeddings/TokenCounter"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { PromptRegistry } from "../src/registry/PromptRegistry.ts"
import type { PromptOutcome } from "../src/registry/Prompts.ts"
import { resultTokenLimit } from "../src/registry/ResultLimit.ts"
import { principalOf } from "./Fakes.ts"
import { at, auditInto, documentIdOf, eventIdOf, eventOf, storeOf } from "./ResourceFakes.ts"

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

const hit = {
  id: "chunk",
  kind: "document" as const,
  score: 1,
  text: "Restart the checkout workers one by one",
  ref: `document://${documentIdOf(1)}`,
  metadata: {},
  ranks: {}
}

const KnowledgeFake = Layer.mock(Knowledge, {
  search: (_, { mode }) =>
    mode === "keyword"
      ? Effect.succeed({ items: [hit] })
      : Effect.fail(new EmbedderError({ operation: "embed", retryable: true, cause: "down" }))
})

const registry = (events: ReadonlyArray<Event>, acts: Array<Act> = []) =>
  PromptRegistry.layer.pipe(
    Layer.provide([storeOf({ events }), auditInto(acts), KnowledgeFake]),
    Layer.provideMerge(Tokens.layer)
  )

const numbered = <A>(length: number, make: (n: number) => A) => Array.from({ length }, (_, n) => make(n))

const agent = principalOf("agent")

const get = (name: string, arguments_: Readonly<Record<string, string>>, principal = agent) =>
  Effect.flatMap(PromptRegistry, (prompts) => prompts.get(principal, name, arguments_, {}))

const messagesOf = (outcome: PromptOutcome) => (outcome._tag === "Messages" ? outcome.messages : [])

/** URIs of what is whole, and of what is linked, in their order. */
const urisOf = (outcome: PromptOutcome) =>
  messagesOf(outcome).flatMap(({ content }) =>
    [...encodeJson(content).matchAll(/"uri":"([^"]+)"/g)].map(([, uri]) => uri)
  )

const lastText = (outcome: PromptOutcome) => String(messagesOf(outcome).at(-1)?.content["text"])

const pull = (n: number, number: number) =>
  eventOf(n, {
    type: "pull_request",
    title: `Pull request #${number} opened: Faster`,
    url: `https://github.com/octo/shop/pull/${number}`
  })

describe("prompts", () => {
  it.effect("are offered to who may read their material, and name what they need", () =>
    Effect.gen(function* () {
      const registry = yield* PromptRegistry
      const { prompts } = yield* registry.list(agent)
      assert.deepStrictEqual(
        prompts.map(({ name }) => name),
        ["triage_incident", "summarize_changes", "review_pull_request"]
      )
      const blind = { ...agent, scopes: [] }
      assert.deepStrictEqual((yield* registry.list(blind)).prompts, [])
      assert.strictEqual((yield* Effect.flip(registry.list(agent, "x"))).code, -32602)
      const wrong = [
        ["nothing", {}, ""],
        ["triage_incident", {}, "'incident'"],
        ["triage_incident", { incident: " " }, "'incident'"],
        ["triage_incident", { incident: "x".repeat(4_001) }, "'incident'"],
        ["triage_incident", { incident: "x", since: "yesterday" }, "'since'"],
        ["summarize_changes", {}, "'repository'"],
        ["summarize_changes", { repository: "o/r", since: "2026-01-02", until: "2026-01-01" }, "'since'"],
        ["review_pull_request", { repository: "o/r" }, "'number'"],
        ["review_pull_request", { repository: "o/r", number: "twelve" }, "'number'"]
      ] as const
      for (const [name, arguments_, named] of wrong) {
        const error = yield* Effect.flip(get(name, arguments_))
        assert.strictEqual(error.code, -32602)
        assert.include(error.detail, named)
      }
      assert.strictEqual((yield* Effect.flip(get("triage_incident", { incident: "x" }, blind))).code, -32602)
    }).pipe(Effect.provide(registry([])))
  )

  it.effect("triage_incident brings related knowledge and the latest events, and what to do with them", () => {
    const acts: Array<Act> = []
    return Effect.gen(function* () {
      yield* TestClock.setTime(at(3_000).epochMilliseconds)
      const outcome = yield* get("triage_incident", { incident: "Checkout fails", repository: "octo/shop" }).pipe(
        Effect.provideService(RequestId, "request-1")
      )
      assert.deepStrictEqual(urisOf(outcome), [hit.ref, `event://${eventIdOf(2_000)}`])
      assert.include(encodeJson(messagesOf(outcome)[0]), "Checkout fails")
      for (const tool of ["event_get", "knowledge_search", "tools_search", "context_create"]) {
        assert.include(lastText(outcome), `\`${tool}\``)
      }
      const reader = yield* get("triage_incident", { incident: "x" }, { ...agent, scopes: ["events:read"] })
      assert.notInclude(urisOf(reader), hit.ref)
      assert.notInclude(lastText(reader), "context_create")
      assert.deepInclude(acts[0], {
        action: "mcp.prompts/get",
        target: "triage_incident",
        outcome: "ok",
        requestId: "request-1"
      })
      assert.notInclude(encodeJson(acts), "Checkout")
    }).pipe(Effect.provide(registry([eventOf(10), eventOf(2_000), eventOf(2_500, { repository: "octo/other" })], acts)))
  })

  it.effect("summarize_changes stays bounded: events whole, then linked, then counted", () =>
    Effect.gen(function* () {
      const outcome = yield* get("summarize_changes", {
        repository: "octo/shop",
        since: "1970-01-01",
        until: "1970-01-02"
      })
      const text = encodeJson(messagesOf(outcome))
      assert.isAtMost((yield* TokenCounter).count(text), resultTokenLimit)
      const uris = urisOf(outcome)
      assert.deepStrictEqual(
        uris,
        numbered(uris.length, (n) => `event://${eventIdOf(899 - n)}`)
      )
      const types = messagesOf(outcome).map(({ content }) => content.type)
      assert.includeMembers(types, ["resource", "resource_link"])
      assert.include(lastText(outcome), `${400 - uris.length} more events are not shown`)
      assert.include(lastText(outcome), "`events_list`")
    }).pipe(Effect.provide(registry(numbered(900, (n) => eventOf(n, { summary: "Ada pushed a commit. ".repeat(12) })))))
  )

  it.effect("review_pull_request brings the events of that pull request alone", () =>
    Effect.gen(function* () {
      const outcome = yield* get("review_pull_request", { repository: "octo/shop", number: "#12" })
      assert.deepStrictEqual(
        urisOf(outcome).filter((uri) => uri?.startsWith("event://")),
        [4, 1].map((n) => `event://${eventIdOf(n)}`)
      )
      const none = yield* get("review_pull_request", { repository: "octo/shop", number: "7" })
      assert.include(encodeJson(messagesOf(none)[0]), "No event of pull request #7")
    }).pipe(
      Effect.provide(
        registry([
          pull(1, 12),
          pull(2, 123),
          pull(3, 1),
          eventOf(4, { type: "issue_comment", title: "Comment on pull request #12: nice" }),
          eventOf(5, { title: "Fix pull request #12" })
        ])
      )
    )
  )

  it.effect("complete their arguments from what has happened lately", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-03-01T12:00:00Z"))
      const prompts = yield* PromptRegistry
      const values = (name: string, argument: string, typed: string, known = {}) =>
        Effect.map(prompts.complete(agent, name, argument, typed, known), (completion) => completion.values)
      assert.deepStrictEqual(yield* values("summarize_changes", "repository", ""), ["octo/new", "octo/shop"])
      assert.deepStrictEqual(yield* values("triage_incident", "repository", "SHO"), ["octo/shop"])
      assert.deepStrictEqual((yield* values("summarize_changes", "since", "2026-0")).slice(0, 2), [
        "2026-03-01",
        "2026-02-28"
      ])
      const known = { repository: "octo/shop" }
      assert.deepStrictEqual(yield* values("review_pull_request", "number", "1", known), ["123", "12"])
      assert.deepStrictEqual(yield* values("review_pull_request", "number", ""), [])
      assert.strictEqual((yield* Effect.flip(prompts.complete(agent, "none", "x", "", {}))).code, -32602)
      assert.strictEqual((yield* Effect.flip(prompts.complete(agent, "triage_incident", "x", "", {}))).code, -32602)
    }).pipe(
      Effect.provide(
        registry([
          pull(1, 12),
          pull(2, 123),
          pull(3, 12),
          pull(4, 5),
          pull(5, 123),
          eventOf(6, { repository: "octo/new" })
        ])
      )
    )
  )
})
