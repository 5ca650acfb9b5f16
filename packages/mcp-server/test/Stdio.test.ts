import { assert, describe, it, layer } from "@effect/vitest"
import { connectStdio, type McpPeer, mcpClients, type McpClientName } from "@devops-mcp/testing/McpClients"
import { ConfigProvider, Effect, Fiber, Layer, Queue } from "effect"
import { PassThrough } from "node:stream"
import type { ProxyTarget } from "../src/edge/ProxyHttp.ts"
import { maxMessageBytes } from "../src/edge/StdioStreams.ts"
import { proxyMcpStdio } from "../src/McpStdioProxy.ts"
import { serveMcpStdio } from "../src/McpStdio.ts"
import { context, contextId, contexts, keyOf, Observed, RegistriesFake } from "./Fakes.ts"
import { Address, TestServer } from "./TestServer.ts"

const pipes = () => ({ stdin: new PassThrough(), stdout: new PassThrough() })
type Pipes = ReturnType<typeof pipes>

const environment = (variables: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

const direct = (streams: Pipes) =>
  serveMcpStdio(streams).pipe(Effect.provide(environment({ DEVOPS_MCP_API_KEY: keyOf("agent") })))

const proxy = (target: ProxyTarget, streams: Pipes) =>
  Effect.promise((signal) => proxyMcpStdio(target, { ...streams, log: () => undefined }, signal))

const proxied = (streams: Pipes) =>
  Effect.flatMap(Address, ({ baseUrl }) => proxy({ baseUrl, apiKey: keyOf("agent") }, streams))

/** What a client sees, whichever way its lines take. */
const behaves = Effect.fnUntraced(function* (peer: McpPeer) {
  const listed = (yield* peer.listTools).map((tool) => tool.name)
  assert.include(listed, "context_create")
  assert.notInclude(listed, "zulu_drop")
  const made = yield* peer.callTool("context_create", { name: "größer" })
  assert.strictEqual(made.structuredContent?.["name"], "größer")
  assert.strictEqual(made.structuredContent?.["id"], context.id)
  const invalid = yield* peer.callTool("context_get", {})
  assert.isTrue(invalid.isError)
  assert.include(invalid.content[0]?.text, "/contextId")
  const unknown = yield* Effect.flip(peer.callTool("größe", {}))
  assert.strictEqual(unknown.code, -32602)
  const calls = Array.from({ length: 20 }, () => peer.callTool("context_get", { contextId }))
  const many = yield* Effect.all(calls, { concurrency: 20 })
  assert.isTrue(many.every((result) => result.isError !== true))
})

const suite = <E, R>(
  name: string,
  serve: (streams: Pipes) => Effect.Effect<void, E, R>,
  services: Layer.Layer<R | Observed>
) =>
  layer(services, { excludeTestServices: true })(name, (it) => {
    const connect = Effect.fnUntraced(function* (client: McpClientName) {
      const streams = pipes()
      const served = yield* Effect.forkScoped(serve(streams))
      return { streams, served, peer: yield* connectStdio(client, streams) }
    })

    for (const client of mcpClients) {
      it.effect(`serves ${client}`, () => Effect.flatMap(connect(client), ({ peer }) => behaves(peer)))

      it.effect(`stops a call that ${client} cancels`, () =>
        Effect.gen(function* () {
          const { hanging, interrupted } = yield* Observed
          const { peer } = yield* connect(client)
          const call = yield* Effect.forkChild(peer.callTool("context_get", { contextId: contexts.hangingContext }))
          yield* Queue.take(hanging)
          yield* Fiber.interrupt(call)
          yield* Queue.take(interrupted)
          const after = yield* peer.callTool("context_get", { contextId })
          assert.strictEqual(after.structuredContent?.["tokenCount"], 0)
        })
      )
    }

    it.effect("ends, and stops what it does, when the client closes its end", () =>
      Effect.gen(function* () {
        const { hanging, interrupted } = yield* Observed
        const { peer, served, streams } = yield* connect("SDK 1")
        yield* Effect.forkChild(peer.callTool("context_get", { contextId: contexts.hangingContext }))
        yield* Queue.take(hanging)
        streams.stdin.end()
        yield* Queue.take(interrupted)
        yield* Fiber.join(served)
      })
    )

    it.effect("disconnects a client whose message is too long", () =>
      Effect.gen(function* () {
        const { served, streams } = yield* connect("SDK 1")
        streams.stdin.write("x".repeat(maxMessageBytes + 1))
        yield* Fiber.join(served)
      })
    )
  })

suite("MCP over standard input and output", direct, RegistriesFake)
suite("the proxy from standard input and output to a running instance", proxied, Layer.orDie(TestServer))

describe("a proxy without its instance", () => {
  it.live("answers with an error", () =>
    Effect.gen(function* () {
      const streams = pipes()
      // Port 9 discards; nothing listens there.
      const target = { baseUrl: "http://localhost:9", apiKey: keyOf("agent") }
      yield* Effect.forkScoped(proxy(target, streams))
      const error = yield* Effect.flip(connectStdio("SDK 1", streams))
      assert.include(error.message, "http://localhost:9 did not answer")
    })
  )

  it.live("hands on a refusal of the key", () =>
    Effect.gen(function* () {
      const streams = pipes()
      const { baseUrl } = yield* Address
      yield* Effect.forkScoped(proxy({ baseUrl, apiKey: "dmk_wrong" }, streams))
      const error = yield* Effect.flip(connectStdio("SDK 1", streams))
      assert.include(error.message, "The API key is not valid")
    }).pipe(Effect.provide(TestServer))
  )
})

describe("what standard input needs", () => {
  it.live("a key", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(serveMcpStdio(pipes()))
      assert.include(error.message, "DEVOPS_MCP_API_KEY")
    }).pipe(Effect.provide([RegistriesFake, environment({})]))
  )

  it.live("a key that is valid", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(serveMcpStdio(pipes()))
      assert.strictEqual(error.message, "The API key is not valid")
    }).pipe(Effect.provide([RegistriesFake, environment({ DEVOPS_MCP_API_KEY: "dmk_wrong" })]))
  )
})
