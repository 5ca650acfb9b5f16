import { connectEffectHttp, connectEffectStdio, effectClients } from "@devops-mcp/testing/EffectMcpClient"
import { FixtureServer } from "@devops-mcp/testing/mcp-fixtures/FixtureServer"
import {
  connectHttp,
  connectStdio,
  connectWebSocket,
  mcpClients,
  type McpPeer,
  type SdkPeer
} from "@devops-mcp/testing/McpClients"
import { checkout, runProgram } from "@devops-mcp/testing/Program"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { ChildProcess } from "effect/process"

const key = `dmk_${"interop-test-".repeat(3)}`

const Server = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const home = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-interop-" })
    return FixtureServer.layer({ DEVOPS_MCP_HOME: home, DEVOPS_MCP_BOOTSTRAP_API_KEY: key })
  })
).pipe(Layer.provideMerge(Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici)))

/** What every client can, whichever way its messages take. */
const behaves = Effect.fnUntraced(function* (peer: McpPeer) {
  assert.isNotEmpty(peer.instructions)
  const tools = (yield* peer.listTools).map((tool) => tool.name)
  assert.includeMembers(tools, ["context_create", "test_simple_text"])
  assert.strictEqual(new Set(tools).size, tools.length)

  const made = yield* peer.callTool("context_create", { name: "größer" })
  assert.strictEqual(made.structuredContent?.["name"], "größer")
  const said = yield* peer.callTool("test_simple_text", {})
  assert.strictEqual(said.content[0]?.text, "This is a simple text response for testing.")
  const failed = yield* peer.callTool("test_error_handling", {})
  assert.isTrue(failed.isError)

  const resources = (yield* peer.listResources).map((resource) => resource.uri)
  assert.includeMembers(resources, ["test://static-text", "test://static-binary"])
  const { contents } = yield* peer.readResource("test://template/7/data")
  assert.include(contents[0]?.text, "Data for ID: 7")
  yield* Effect.flip(peer.readResource("test://nothing"))

  const prompts = (yield* peer.listPrompts).map((prompt) => prompt.name)
  assert.includeMembers(prompts, ["triage_incident", "test_prompt_with_arguments"])
  const { messages } = yield* peer.getPrompt("test_prompt_with_arguments", { arg1: "a", arg2: "b" })
  assert.strictEqual(messages[0]?.content["text"], "Prompt with arguments: arg1='a', arg2='b'")
})

/** What the SDKs' clients can besides. */
const behavesFully = Effect.fnUntraced(function* (peer: SdkPeer) {
  yield* behaves(peer)
  assert.deepStrictEqual(yield* peer.complete("test_prompt_with_arguments", "arg1", "par"), ["paris", "park", "party"])
  const { progress, result } = yield* peer.callToolWithProgress("test_tool_with_progress", {})
  assert.deepStrictEqual(progress, [0, 50, 100])
  assert.notStrictEqual(result.isError, true)
})

const stdioEnvironment = Effect.map(FixtureServer, ({ url }) => ({ DEVOPS_MCP_URL: url, DEVOPS_MCP_API_KEY: key }))

layer(Server, { excludeTestServices: true, timeout: "120 seconds" })("every client on every transport", (it) => {
  for (const client of mcpClients) {
    it.effect(`${client} over HTTP`, () =>
      Effect.gen(function* () {
        const { url } = yield* FixtureServer
        yield* behavesFully(yield* connectHttp(client, `${url}/mcp`, key))
      })
    )

    it.effect(`${client} over stdio`, () =>
      Effect.gen(function* () {
        const program = yield* runProgram(["mcp", "--stdio"], yield* stdioEnvironment)
        yield* behavesFully(yield* connectStdio(client, program.child))
      })
    )

    it.effect(`${client} over WebSocket`, () =>
      Effect.gen(function* () {
        const { url } = yield* FixtureServer
        yield* behavesFully(yield* connectWebSocket(client, `${url.replace(/^http/, "ws")}/mcp/ws`, key))
      })
    )
  }

  for (const client of effectClients) {
    it.effect(`${client} over HTTP`, () =>
      Effect.gen(function* () {
        const { url } = yield* FixtureServer
        yield* behaves(yield* connectEffectHttp(client, `${url}/mcp`, key))
      })
    )

    it.effect(`${client} over stdio`, () =>
      Effect.gen(function* () {
        const command = ChildProcess.make(
          process.execPath,
          [`${checkout}packages/cli/bin/devops-mcp.js`, "mcp", "--stdio"],
          { env: { PATH: process.env["PATH"], ...(yield* stdioEnvironment) } }
        )
        yield* behaves(yield* connectEffectStdio(client, command))
      })
    )
  }
})
