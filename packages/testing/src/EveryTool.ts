import { Effect, Schema } from "effect"
import type { McpPeer } from "./McpClients.ts"

const Id = Schema.Struct({ id: Schema.String })
const Found = Schema.Struct({ items: Schema.Array(Schema.Struct({ name: Schema.String })) })
const Events = Schema.Struct({ items: Schema.Array(Id) })

/**
 * Calls every tool of a server that has events and a git repository at `GIT_ROOTS`, as an agent would: with ids that
 * earlier answers gave. Answers the names of the tools that were called; any error result is a defect.
 */
export const callEveryTool = Effect.fnUntraced(function* (peer: McpPeer) {
  const called = new Set<string>()
  const call = Effect.fnUntraced(function* <S extends Schema.Decoder<unknown>>(
    name: string,
    input: Record<string, unknown>,
    output: S
  ) {
    const result = yield* peer.callTool(name, input)
    if (result.isError === true) return yield* Effect.die(new Error(`${name}: ${result.content[0]?.text}`))
    called.add(name)
    return yield* Effect.orDie(Schema.decodeUnknownEffect(output)(result.structuredContent))
  })
  const reply = Schema.JsonObject

  const { id: contextId } = yield* call("context_create", { name: "every tool" }, Id)
  const items = [
    { role: "user", content: "the deployment failed" },
    { role: "assistant", content: "rolled back" }
  ]
  yield* call("context_append", { contextId, items }, reply)
  yield* call("context_get", { contextId, maxTokens: 100 }, reply)
  yield* call("context_search", { contextId, query: "deployment" }, reply)
  yield* call("context_compact", { contextId, maxTokens: 1000 }, reply)
  yield* call("context_list", { limit: 2 }, reply)
  yield* call("knowledge_search", { query: "someone was added as a collaborator", limit: 3 }, reply)
  yield* call("document_add", { title: "Runbook", text: "Restart the worker." }, reply)
  const events = yield* call("events_list", { limit: 1 }, Events)
  yield* call("event_get", { eventId: events.items[0]?.id }, reply)

  const deliveries = { queue: "deliveries" }
  const deadLetterId = events.items[0]?.id
  yield* call("queues_list", {}, reply)
  yield* call("dead_letters_list", deliveries, reply)
  yield* call("dead_letters_redrive", deliveries, reply)
  yield* call("dead_letters_discard", { ...deliveries, ids: [deadLetterId], reason: "none is there" }, reply)
  // All is well, so there is none to read.
  const missing = yield* peer.callTool("dead_letter_get", { ...deliveries, deadLetterId })
  if (!/not_found/.test(JSON.stringify(missing))) return yield* Effect.die(new Error("A dead letter was found"))
  called.add("dead_letter_get")

  const found = yield* call("tools_search", { query: "who changed a line of a file", limit: 3 }, Found)
  const [tool] = found.items
  yield* call("tools_describe", { names: [tool?.name] }, reply)
  yield* call("tools_call", { name: "git_tags", arguments: {} }, reply)

  yield* call("git_repositories", {}, reply)
  yield* call("git_log", { limit: 2 }, reply)
  yield* call("git_show", { ref: "HEAD" }, reply)
  yield* call("git_diff", { from: "HEAD", to: "HEAD" }, reply)
  yield* call("git_blame", { path: "LICENSE", endLine: 3 }, reply)
  yield* call("git_grep", { pattern: "MIT License" }, reply)
  yield* call("git_branches", {}, reply)
  yield* call("git_tags", {}, reply)
  yield* call("git_file", { path: "LICENSE" }, reply)
  yield* call("git_statistics", { limit: 1 }, reply)
  return called
})
