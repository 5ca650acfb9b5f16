import { assert, describe, layer } from "@effect/vitest"
import { connectHttp, mcpClients } from "@devops-mcp/testing/McpClients"
import { Effect, Schema } from "effect"
import { context, contextId, contexts, keyOf } from "./Fakes.ts"
import { Address, TestServer } from "./TestServer.ts"

const decodeJson = Schema.decodeSync(Schema.fromJsonString(Schema.Unknown))
const names = (tools: ReadonlyArray<{ readonly name: string }>) => tools.map((tool) => tool.name)

layer(TestServer, { excludeTestServices: true })("/mcp over HTTP", (it) => {
  for (const client of mcpClients) {
    describe(client, () => {
      const connect = Effect.fnUntraced(function* (key: string) {
        return yield* connectHttp(client, (yield* Address).url, key)
      })

      it.effect("lists what the caller may use and calls a tool that reads", () =>
        Effect.gen(function* () {
          const peer = yield* connect(keyOf("viewer"))
          const listed = names(yield* peer.listTools)
          assert.include(listed, "context_get")
          assert.include(listed, "my-git_log")
          assert.notInclude(listed, "context_create")
          assert.notInclude(listed, "my-git_push")
          const result = yield* peer.callTool("context_get", { contextId })
          assert.strictEqual(result.structuredContent?.["tokenCount"], 0)
          assert.deepStrictEqual(decodeJson(result.content[0]?.text ?? ""), result.structuredContent)
          const logged = yield* peer.callTool("my-git_log", { ref: "main" })
          assert.deepStrictEqual(logged.structuredContent, { config: "my-git", ref: "main" })
        })
      )

      it.effect("answers wrong arguments and failures as results", () =>
        Effect.gen(function* () {
          const peer = yield* connect(keyOf("viewer"))
          // With the list, the client holds structured content against the output schemas.
          yield* peer.listTools
          const invalid = yield* peer.callTool("context_get", { contextId: "nonsense", extra: 1 })
          assert.isTrue(invalid.isError)
          assert.include(invalid.content[0]?.text, "/contextId: Expected a UUID")
          const missing = yield* peer.callTool("context_get", { contextId: contexts.missingContext })
          assert.isTrue(missing.isError)
          assert.include(missing.content[1]?.text, '"code":"not_found"')
        })
      )

      it.effect("names the permission that a call lacks", () =>
        Effect.gen(function* () {
          const peer = yield* connect(keyOf("viewer"))
          const { message } = yield* Effect.flip(peer.callTool("context_create", { name: "mine" }))
          assert.include(message, "contexts:write")
        })
      )

      it.effect("calls a tool that writes when the caller may", () =>
        Effect.gen(function* () {
          const peer = yield* connect(keyOf("agent"))
          const result = yield* peer.callTool("context_create", { name: "mine" })
          assert.strictEqual(result.structuredContent?.["name"], "mine")
          assert.strictEqual(result.structuredContent?.["id"], context.id)
        })
      )

      it.effect("answers an unknown tool with -32602", () =>
        Effect.gen(function* () {
          const peer = yield* connect(keyOf("viewer"))
          const error = yield* Effect.flip(peer.callTool("nothing_here", {}))
          assert.strictEqual(error.code, -32602)
        })
      )

      it.effect("refuses a wrong key", () =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(connect("dmk_wrong"))
          assert.match(error.message, /401|unauthorized|API key is not valid/i)
        })
      )
    })
  }
})
