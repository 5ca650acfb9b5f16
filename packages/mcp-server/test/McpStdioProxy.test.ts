import { listening } from "@devops-mcp/testing/Peers"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { createInterface } from "node:readline"
import { PassThrough } from "node:stream"
import { maxMessageLength } from "../src/edge/ProxyHttp.ts"
import { proxyMcpStdio } from "../src/McpStdioProxy.ts"

interface Received {
  readonly method: string
  readonly headers: IncomingMessage["headers"]
  readonly message: { readonly id?: unknown; readonly method?: string } | undefined
  readonly response: ServerResponse
  /** The client has gone away before the answer was complete. */
  readonly gone: Effect.Effect<void>
}

/** An instance whose every answer the test gives. */
const makeInstance = Effect.gen(function* () {
  const received = yield* Queue.unbounded<Received>()
  const server = createServer((request, response) => {
    const gone = Deferred.makeUnsafe<void>()
    response.on("close", () => {
      if (!response.writableFinished) Deferred.doneUnsafe(gone, Effect.void)
    })
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => (body += text))
    request.on("end", () => {
      const message: Received["message"] = body === "" ? undefined : JSON.parse(body)
      const { headers, method = "" } = request
      Queue.offerUnsafe(received, { method, headers, message, response, gone: Deferred.await(gone) })
    })
  })
  const port = yield* listening(server)
  return { baseUrl: `http://127.0.0.1:${port}`, next: Queue.take(received) }
})

const connect = Effect.fnUntraced(function* (baseUrl: string) {
  const stdin = new PassThrough()
  const stdout = new PassThrough()
  const logged: Array<string> = []
  const lines = yield* Queue.unbounded<unknown>()
  createInterface({ input: stdout }).on("line", (line) => Queue.offerUnsafe(lines, JSON.parse(line)))
  const streams = { stdin, stdout, log: (line: string) => void logged.push(line) }
  const ended = yield* Effect.forkScoped(
    Effect.promise((signal) => proxyMcpStdio({ baseUrl, apiKey: "dmk_key" }, streams, signal)),
    { startImmediately: true }
  )
  return {
    stdin,
    stdout,
    logged,
    line: Queue.take(lines),
    send: (message: unknown) => Effect.sync(() => void stdin.write(`${JSON.stringify(message)}\n`)),
    ended: Fiber.join(ended)
  }
})

const start = Effect.gen(function* () {
  const instance = yield* makeInstance
  return { ...instance, ...(yield* connect(instance.baseUrl)) }
})

const json = (response: ServerResponse, body: unknown, headers: Record<string, string> = {}, status = 200) =>
  Effect.sync(
    () => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))
  )

const events = (response: ServerResponse, text: string) =>
  Effect.sync(() => {
    if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(text)
  })

const request = (id: unknown, method: string, params: object = {}) => ({ jsonrpc: "2.0", id, method, params })
const result = (id: unknown, value: object = {}) => ({ jsonrpc: "2.0", id, result: value })
const progress = { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 1 } }

const modern = { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } }

/** Agrees on 2025-11-25 with a session, whose own stream is then open. */
const initialize = Effect.fnUntraced(function* ({ line, next, send }: Effect.Success<typeof start>) {
  yield* send(request(0, "initialize", { protocolVersion: "2025-11-25" }))
  const opening = yield* next
  assert.isUndefined(opening.headers["mcp-session-id"])
  yield* json(opening.response, result(0, { protocolVersion: "2025-11-25" }), { "mcp-session-id": "s1" })
  yield* line
  yield* send({ jsonrpc: "2.0", method: "notifications/initialized" })
  const initialized = yield* next
  assert.strictEqual(initialized.message?.method, "notifications/initialized")
  yield* Effect.sync(() => void initialized.response.writeHead(202).end())
  const stream = yield* next
  assert.strictEqual(stream.method, "GET")
  assert.strictEqual(stream.headers["mcp-session-id"], "s1")
  yield* events(stream.response, ": open\n\n")
  return stream
})

describe("the proxy from standard input and output", () => {
  it.live("gives a message of 2026-07-28 its headers, and its key", () =>
    Effect.gen(function* () {
      const { line, next, send } = yield* start
      yield* send(request("a", "tools/call", { ...modern, name: "größe" }))
      const { headers, response } = yield* next
      assert.strictEqual(headers.authorization, "Bearer dmk_key")
      assert.strictEqual(headers["mcp-protocol-version"], "2026-07-28")
      assert.strictEqual(headers["mcp-method"], "tools/call")
      assert.strictEqual(headers["mcp-name"], "=?base64?Z3LDtsOfZQ==?=")
      yield* json(response, result("a"))
      assert.deepStrictEqual(yield* line, result("a"))
    })
  )

  it.live("repeats the arguments in headers that a listed tool wants there", () =>
    Effect.gen(function* () {
      const { line, next, send } = yield* start
      const inputSchema = {
        type: "object",
        properties: {
          region: { type: "string", "x-mcp-header": "Region" },
          at: { type: "object", properties: { hour: { type: "integer", "x-mcp-header": "Hour" } } }
        }
      }
      yield* send(request(1, "tools/list", modern))
      yield* json((yield* next).response, result(1, { tools: [{ name: "deploy", inputSchema }] }))
      yield* line
      yield* send(
        request(2, "tools/call", { ...modern, name: "deploy", arguments: { region: "süd", at: { hour: 7 }, b: 1 } })
      )
      const { headers, response } = yield* next
      assert.strictEqual(headers["mcp-param-region"], "=?base64?c8O8ZA==?=")
      assert.strictEqual(headers["mcp-param-hour"], "7")
      yield* json(response, result(2))
      yield* line
    })
  )

  it.live("hands on what a stream brings as it comes, whatever its lines look like", () =>
    Effect.gen(function* () {
      const { line, next, send } = yield* start
      yield* send(request(1, "tools/call", modern))
      const { response } = yield* next
      yield* events(response, `: hello\r\nevent: message\r\ndata: ${JSON.stringify(progress)}\r\n\r\n`)
      assert.deepStrictEqual(yield* line, progress)
      yield* events(response, 'data: {"jsonrpc":"2.0",\ndata: "id":1,"res')
      yield* events(response, 'ult":{"text":"ä"}}\n\n')
      assert.deepStrictEqual(yield* line, result(1, { text: "ä" }))
      response.end()
    })
  )

  it.live("gives a refusal without an id the id of its request", () =>
    Effect.gen(function* () {
      const { line, next, send } = yield* start
      yield* send(request(5, "tools/list", modern))
      const error = { code: -32000, message: "The API key is not valid" }
      yield* json((yield* next).response, { jsonrpc: "2.0", id: null, error }, {}, 401)
      assert.deepStrictEqual(yield* line, { jsonrpc: "2.0", id: 5, error })
    })
  )

  it.live("answers for an instance that gives no answer", () =>
    Effect.gen(function* () {
      const { baseUrl, line, logged, next, send } = yield* start
      const missing = (id: number) => ({
        jsonrpc: "2.0",
        id,
        error: { code: -32603, message: `DevOps MCP at ${baseUrl} did not answer` }
      })
      yield* send(request(1, "tools/list", modern))
      ;(yield* next).response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>")
      assert.deepStrictEqual(yield* line, missing(1))
      yield* send(request(2, "tools/list", modern))
      ;(yield* next).response.writeHead(204).end()
      assert.deepStrictEqual(yield* line, missing(2))
      yield* send(request(3, "tools/list", modern))
      ;(yield* next).response.destroy()
      assert.deepStrictEqual(yield* line, missing(3))
      yield* send(request(4, "tools/call", modern))
      const { response } = yield* next
      yield* events(response, `data: ${JSON.stringify(progress)}\n\n`)
      yield* line
      response.end()
      assert.deepStrictEqual(yield* line, missing(4))
      assert.strictEqual(logged.length, 4)
    })
  )

  it.live("says what is no message, and goes on", () =>
    Effect.gen(function* () {
      const { line, next, send, stdin } = yield* start
      stdin.write("{oops\n\n[1]\n")
      const parseError = { code: -32700, message: "Parse error: Invalid JSON" }
      assert.deepStrictEqual(yield* line, { jsonrpc: "2.0", id: null, error: parseError })
      const invalid = { code: -32600, message: "Invalid Request: one message a line" }
      assert.deepStrictEqual(yield* line, { jsonrpc: "2.0", id: null, error: invalid })
      yield* send(request(1, "ping"))
      yield* json((yield* next).response, result(1))
      assert.deepStrictEqual(yield* line, result(1))
    })
  )

  it.live("disconnects a request that is cancelled", () =>
    Effect.gen(function* () {
      const { line, next, send } = yield* start
      yield* send(request(1, "tools/call", modern))
      const { gone } = yield* next
      yield* send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } })
      yield* gone
      yield* send(request(2, "ping", modern))
      const after = yield* next
      assert.strictEqual(after.message?.id, 2)
      yield* json(after.response, result(2))
      assert.deepStrictEqual(yield* line, result(2))
    })
  )

  it.live("has a bounded number of requests on their way, beside those to listen", () =>
    Effect.gen(function* () {
      const { line, next, send } = yield* start
      for (let id = 0; id < 40; id++) yield* send(request(id, "subscriptions/listen", modern))
      for (let id = 0; id < 40; id++) yield* next
      for (let id = 100; id < 133; id++) yield* send(request(id, "tools/call", modern))
      const first = yield* next
      for (let id = 1; id < 32; id++) yield* next
      yield* json(first.response, result(first.message?.id))
      yield* line
      assert.strictEqual((yield* next).message?.id, 132)
    })
  )

  it.live("keeps a session of the older revisions, tells it of cancellations, and ends it", () =>
    Effect.gen(function* () {
      const connected = yield* start
      const { next, send, stdin } = connected
      const stream = yield* initialize(connected)
      yield* send(request(1, "tools/call"))
      const call = yield* next
      assert.strictEqual(call.headers["mcp-session-id"], "s1")
      assert.strictEqual(call.headers["mcp-protocol-version"], "2025-11-25")
      yield* send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } })
      yield* call.gone
      const cancelled = yield* next
      assert.strictEqual(cancelled.message?.method, "notifications/cancelled")
      assert.strictEqual(cancelled.headers["mcp-session-id"], "s1")
      cancelled.response.writeHead(202).end()
      stdin.end()
      yield* stream.gone
      const last = yield* next
      assert.strictEqual(last.method, "DELETE")
      assert.strictEqual(last.headers["mcp-session-id"], "s1")
      last.response.writeHead(204).end()
      yield* connected.ended
    })
  )

  it.live("takes the session's stream and an unfinished answer up again where they were", () =>
    Effect.gen(function* () {
      const connected = yield* start
      const { line, next, send } = connected
      const stream = yield* initialize(connected)
      yield* events(stream.response, `id: g7\nretry: 1\ndata: ${JSON.stringify(progress)}\n\n`)
      assert.deepStrictEqual(yield* line, progress)
      stream.response.end()
      const again = yield* next
      assert.strictEqual(again.headers["last-event-id"], "g7")
      yield* events(again.response, ": open\n\n")
      yield* send(request(1, "tools/call"))
      const call = yield* next
      yield* events(call.response, "id: p1\nretry: 1\ndata:\n\n")
      call.response.end()
      const resumed = yield* next
      assert.strictEqual(resumed.method, "GET")
      assert.strictEqual(resumed.headers["last-event-id"], "p1")
      yield* events(resumed.response, `id: p2\ndata: ${JSON.stringify(result(1))}\n\n`)
      resumed.response.end()
      assert.deepStrictEqual(yield* line, result(1))
    })
  )

  it.live("disconnects a client whose message is too long", () =>
    Effect.gen(function* () {
      const { ended, logged, stdin } = yield* start
      stdin.write("x".repeat(maxMessageLength + 1))
      yield* ended
      assert.deepStrictEqual(logged, ["The client was disconnected: The message is too long"])
    })
  )
})
