import { Changes } from "@devops-mcp/core/changes/Changes"
import { connectStdio, mcpClients } from "@devops-mcp/testing/McpClients"
import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Queue } from "effect"
import { createInterface } from "node:readline"
import { PassThrough } from "node:stream"
import { serveMcpStdio } from "../src/McpStdio.ts"
import { RegistriesFake, revocableKey, Signals, tenantId } from "./WebSocketFakes.ts"

const connect = Effect.gen(function* () {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough() }
  const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({ DEVOPS_MCP_API_KEY: revocableKey }))
  const served = yield* Effect.forkScoped(Effect.provide(serveMcpStdio(streams), environment), {
    startImmediately: true
  })
  return { streams, served }
})

layer(RegistriesFake, { excludeTestServices: true })("MCP over standard input and output of this process", (it) => {
  for (const client of mcpClients) {
    it.effect(`serves ${client}`, () =>
      Effect.gen(function* () {
        const { hanging, interrupted } = yield* Signals
        const { streams } = yield* connect
        const peer = yield* connectStdio(client, streams)
        const echoed = yield* peer.callTool("echo", { text: "größer" })
        assert.deepStrictEqual(echoed.structuredContent, { text: "größer" })
        const cancelled = yield* Effect.forkChild(peer.callTool("hang", {}))
        yield* Queue.take(hanging)
        yield* Fiber.interrupt(cancelled)
        yield* Queue.take(interrupted)
      })
    )
  }

  it.effect("tells of changes, asks for the key with every call, and ends with its client", () =>
    Effect.gen(function* () {
      const { announce } = yield* Changes
      const { revoked } = yield* Signals
      const { served, streams } = yield* connect
      const lines = yield* Queue.unbounded<Record<string, unknown>>()
      createInterface({ input: streams.stdout }).on("line", (line) => Queue.offerUnsafe(lines, JSON.parse(line)))
      const send = (message: object) => streams.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
      const clientInfo = { name: "test", version: "1" }
      send({ id: 0, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo } })
      assert.containSubset(yield* Queue.take(lines), { id: 0, result: {} })
      yield* announce({ _tag: "ToolsChanged", tenantId })
      send({ method: "notifications/initialized" })
      send({ id: 1, method: "ping" })
      assert.containSubset(yield* Queue.take(lines), { id: 1, result: {} })
      yield* announce({ _tag: "PromptsChanged", tenantId })
      assert.containSubset(yield* Queue.take(lines), { method: "notifications/prompts/list_changed" })
      revoked.add(revocableKey)
      send({ id: 2, method: "tools/list" })
      assert.containSubset(yield* Queue.take(lines), { id: 2, error: { message: "The API key is not valid" } })
      streams.stdin.end()
      yield* Fiber.join(served)
    })
  )
})
