import { assert, describe, layer } from "@effect/vitest"
import { Effect, Queue } from "effect"
import {
  authorization,
  headersOf,
  legacy,
  type Message,
  messageOf,
  modern,
  requestId,
  rows,
  rowsOf,
  single,
  transports
} from "./Conversations.ts"
import { contexts, Observed, storeDown } from "./Fakes.ts"
import { open, type RawRequest, send } from "./RawHttp.ts"
import { Address, bodyLimit, EveryTransport } from "./TestServer.ts"
import { openSocket } from "./WebSocketFakes.ts"

const listing = messageOf("tools/list", 1, modern)
const older = messageOf("tools/list", 1, legacy)
const headers = headersOf(listing, modern)
const olderHeaders = headersOf(older, legacy)
const body = JSON.stringify(listing)
const olderBody = JSON.stringify(older)
const unknownSession = { "mcp-session-id": "0192f0c1-0000-7000-8000-0000000000ff" }

interface Refused extends RawRequest {
  readonly what: string
  readonly path?: string
  readonly status: number
}

const refusedOverHttp: ReadonlyArray<Refused> = [
  { what: "what is not JSON", headers, body: "{", status: 400 },
  { what: "JSON that is nested too deep", headers, body: "[".repeat(500) + "]".repeat(500), status: 400 },
  { what: "JSON that is no message", headers, body: "{}", status: 400 },
  { what: "a body that is too large", headers, body: " ".repeat(bodyLimit + 1), status: 413 },
  { what: "another type of content", headers: { ...headers, "content-type": "text/plain" }, body, status: 415 },
  {
    what: "a revision that there is not",
    headers: { ...headers, "mcp-protocol-version": "2099-01-01" },
    body,
    status: 400
  },
  { what: "a header that says something else", headers: { ...headers, "mcp-method": "ping" }, body, status: 400 },
  { what: "a toolset that there is not", headers: { ...headers, "x-mcp-toolsets": "none" }, body, status: 404 },
  { what: "a method of HTTP", headers, method: "PUT", body, status: 405 },
  { what: "an address that there is not", headers, path: "/mcp/none/at/all", body, status: 404 },
  {
    what: "an answer that nobody can send",
    headers: { ...olderHeaders, accept: "text/html" },
    body: olderBody,
    status: 406
  },
  {
    what: "an older revision that there is not",
    headers: { ...olderHeaders, "mcp-protocol-version": "2020-01-01" },
    body: olderBody,
    status: 400
  },
  {
    what: "a session that there is not",
    headers: { ...olderHeaders, ...unknownSession },
    body: olderBody,
    status: 404
  },
  { what: "the stream of none", headers: { ...olderHeaders, ...unknownSession }, method: "GET", status: 404 },
  { what: "the end of none", headers: { ...olderHeaders, ...unknownSession }, method: "DELETE", status: 404 },
  { what: "a batch where there is none", headers: olderHeaders, body: `[${olderBody}]`, status: 400 },
  {
    what: "initialize with too much in it",
    headers: olderHeaders,
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: [] }),
    status: 400
  }
]

const refusedBeforeTheUpgrade = [
  { what: "another subprotocol", protocols: ["other"], status: 400 },
  { what: "an older WebSocket", protocolVersion: 8 as const, status: 426 },
  { what: "a toolset that there is not", more: { "x-mcp-toolsets": "none" }, status: 404 }
]

const refusedOnTheSocket = [
  { what: "what is not JSON", frame: "{", code: "-32700" },
  { what: "JSON that is nested too deep", frame: "[".repeat(500) + "]".repeat(500), code: "-32600" },
  { what: "JSON that is no message", frame: "{}", code: "-32600" },
  { what: "bytes", frame: Buffer.from(body), code: "1003" },
  { what: "a message that is too large", frame: " ".repeat(bodyLimit + 1), code: "1009" }
]

layer(EveryTransport, { excludeTestServices: true })("what is refused of a caller who is known", (it) => {
  describe("over HTTP", () => {
    it.effect.each(refusedOverHttp)("$what has one row", ({ path = "/mcp", status, ...request }) =>
      Effect.gen(function* () {
        const { baseUrl } = yield* Address
        yield* rows
        assert.strictEqual((yield* send(`${baseUrl}${path}`, request)).status, status)
        const act = single(yield* rows, "the refusal")
        assert.deepInclude(act, { action: "refused.mcp", target: String(status), outcome: "failed", requestId })
      })
    )

    it.effect("a permission that is missing is on record as the act alone", () =>
      Effect.gen(function* () {
        const { url } = yield* Address
        const call = messageOf("tools/call", 1, modern)
        const params = { ...(call["params"] as object), name: "context_create", arguments: { name: "n" } }
        const message: Message = { ...call, params }
        yield* rows
        const answer = yield* send(url, { body: JSON.stringify(message), headers: headersOf(message, modern) })
        assert.strictEqual(answer.status, 403)
        const act = single(yield* rows, "the call")
        assert.deepInclude(act, { action: "mcp.context_create", outcome: "denied", requestId })
      })
    )

    it.effect("strangers have none", () =>
      Effect.gen(function* () {
        const { baseUrl } = yield* Address
        yield* rows
        for (const path of ["/mcp", "/mcp/ws", "/mcp/none"]) {
          for (const stranger of [
            {},
            { authorization: "Bearer dmk_wrong" },
            { authorization: `Bearer ${storeDown}` }
          ]) {
            const { authorization: _, ...others } = headers
            const { status } = yield* send(`${baseUrl}${path}`, { body: "{", headers: { ...others, ...stranger } })
            assert.oneOf(status, [401, 404, 503])
          }
        }
        assert.deepStrictEqual(yield* rows, [])
      })
    )
  })

  describe("over WebSockets", () => {
    it.effect.each(refusedBeforeTheUpgrade)("$what has one row", ({ more = {}, status, what: _, ...options }) =>
      Effect.gen(function* () {
        yield* rows
        const refused = yield* Effect.flip(openSocket({ ...options, headers: { authorization, ...more } }))
        assert.strictEqual(refused.status, status)
        const act = single(yield* rows, "the refusal")
        assert.deepInclude(act, { action: "refused.websocket", target: String(status), outcome: "failed" })
        assert.strictEqual(act.requestId, refused.headers["x-request-id"])
      })
    )

    it.effect("a request that is none for a WebSocket has one row", () =>
      Effect.gen(function* () {
        const { baseUrl } = yield* Address
        for (const [method, status] of [
          ["GET", 426],
          ["POST", 405]
        ] as const) {
          yield* rows
          assert.strictEqual((yield* send(`${baseUrl}/mcp/ws`, { method, headers })).status, status)
          const act = single(yield* rows, method)
          assert.deepInclude(act, { action: "refused.websocket", target: String(status), requestId })
        }
      })
    )

    it.effect.each(refusedOnTheSocket)("$what has one row", ({ code, frame }) =>
      Effect.gen(function* () {
        const { acts } = yield* Observed
        const peer = yield* openSocket({ headers: { authorization } })
        yield* rows
        yield* peer.send(frame)
        const act = yield* Effect.repeat(Queue.take(acts), { until: ({ action }) => action === "refused.websocket" })
        assert.deepInclude(act, { target: code, outcome: "failed" })
        assert.deepStrictEqual(yield* rows, [])
      })
    )
  })
})

layer(EveryTransport, { excludeTestServices: true })("a client's", (it) => {
  for (const [name, connect] of Object.entries(transports)) {
    it.effect(`answers have one row each over ${name}`, () =>
      Effect.gen(function* () {
        const conversation = yield* connect(legacy)
        const act = single(yield* rowsOf(conversation, { jsonrpc: "2.0", id: "x", result: {} }), "the answer")
        assert.deepInclude(act, { action: "mcp.response", outcome: "ok" })
      })
    )
  }

  const { "Streamable HTTP": _, ...streams } = transports
  for (const [name, connect] of Object.entries(streams)) {
    for (const revision of [modern, legacy]) {
      it.effect(
        `request that it cancels has one row over ${name}, ${revision}, and a second of the same id another`,
        () =>
          Effect.gen(function* () {
            const { acts, hanging, interrupted } = yield* Observed
            const { say, tell } = yield* connect(revision)
            const call = messageOf("tools/call", 7, revision)
            const params = { ...(call["params"] as object), name: "context_get" }
            const hangs = { ...call, params: { ...params, arguments: { contextId: contexts.hangingContext } } }
            yield* tell(hangs)
            yield* Queue.take(hanging)
            yield* rows
            yield* say(messageOf("tools/list", 7, revision))
            const second = single(yield* rows, "the second request")
            assert.deepInclude(second, { action: "mcp.tools/list", outcome: "failed" })
            const cancelled = messageOf("notifications/cancelled", 0, revision)
            yield* say({ ...cancelled, params: { ...(cancelled["params"] as object), requestId: 7 } })
            yield* Queue.take(interrupted)
            const found = [yield* Queue.take(acts), yield* Queue.take(acts)]
            assert.sameDeepMembers(
              found.map(({ action, outcome }) => [action, outcome]),
              [
                ["mcp.notifications/cancelled", "ok"],
                ["mcp.context_get", "failed"]
              ]
            )
            assert.deepStrictEqual(yield* rows, [])
          })
      )
    }
  }

  it.effect("batch has a row for each message, and its session's stream has one", () =>
    Effect.gen(function* () {
      const { url } = yield* Address
      const oldest = "2025-03-26"
      const initialize = messageOf("initialize", 0, oldest)
      const params = { ...(initialize["params"] as object), protocolVersion: oldest }
      const begun = yield* send(url, {
        body: JSON.stringify({ ...initialize, params }),
        headers: headersOf(initialize, oldest)
      })
      const session = { ...headersOf(initialize, oldest), "mcp-session-id": String(begun.headers["mcp-session-id"]) }
      yield* rows
      const batch = ["ping", "tools/list", "notifications/roots/list_changed"].map((method, index) =>
        messageOf(method, index, oldest)
      )
      yield* Effect.scoped(open({ url, body: JSON.stringify(batch), headers: session }))
      assert.sameMembers(
        (yield* rows).map(({ action }) => action),
        ["mcp.ping", "mcp.tools/list", "mcp.notifications/roots/list_changed"]
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const controller = yield* Effect.acquireRelease(
            Effect.sync(() => new AbortController()),
            (made) => Effect.sync(() => made.abort())
          )
          const stream = yield* Effect.promise(() => fetch(url, { headers: session, signal: controller.signal }))
          assert.strictEqual(stream.status, 200)
        })
      )
      assert.deepInclude(single(yield* rows, "the stream"), { action: "mcp.stream", outcome: "ok", requestId })
    })
  )
})
