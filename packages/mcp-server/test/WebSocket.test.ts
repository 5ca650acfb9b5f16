import { Revocations } from "@devops-mcp/core/access/Revocations"
import { Changes } from "@devops-mcp/core/changes/Changes"
import { TaskId } from "@devops-mcp/domain/Ids"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { connectWebSocket, mcpClients } from "@devops-mcp/testing/McpClients"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import { maxRequestsInFlight } from "../src/edge/BoundedTransport.ts"
import {
  call,
  envelope,
  host,
  key,
  knownKey,
  knownKeyId,
  notification,
  openSocket,
  otherTenantId,
  request,
  revocableKey,
  Signals,
  SocketServer,
  storeDown,
  tenantId
} from "./WebSocketFakes.ts"

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

/** Agrees on 2025-11-25. */
const openLegacy = Effect.gen(function* () {
  const peer = yield* openSocket()
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
  yield* peer.send({ jsonrpc: "2.0", id: 0, method: "initialize", params })
  assert.containSubset(yield* peer.next, { id: 0, result: { protocolVersion: "2025-11-25" } })
  yield* peer.send(notification("notifications/initialized"))
  return peer
})

layer(SocketServer)("MCP over WebSockets", (it) => {
  describe("before the upgrade", () => {
    const refused: ReadonlyArray<readonly [string, Parameters<typeof openSocket>[0], number]> = [
      ["no credential", { headers: {} }, 401],
      ["a wrong credential", bearer("dmk_wrong"), 401],
      ["a credential in the address", { headers: {}, path: `/mcp/ws?access_token=${key}` }, 401],
      ["an origin that is not ours", { headers: { ...bearer(key).headers, origin: "https://evil.example.com" } }, 403],
      ["a host that is not ours", { headers: { ...bearer(key).headers, host: "evil.example.com" } }, 403],
      ["a database that does not answer", bearer(storeDown), 503],
      ["no subprotocol", { protocols: [] }, 400],
      ["another subprotocol", { protocols: ["graphql-ws"] }, 400],
      ["an older WebSocket", { protocolVersion: 8 }, 426],
      ["an unknown address", { path: "/mcp/wx" }, 404],
      ["an unknown toolset", { headers: { ...bearer(key).headers, "x-mcp-toolsets": "nothing" } }, 404]
    ]

    it.effect.each(refused)("refuses %s", ([, options, status]) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(openSocket(options))
        assert.strictEqual(error.status, status)
        assert.strictEqual(error.headers["www-authenticate"] !== undefined, status === 401)
        assert.isString(error.headers["x-request-id"])
        if (status !== 404) assert.isString(JSON.parse(error.body).error.message)
      })
    )

    it.effect("tells where tokens come from", () =>
      Effect.gen(function* () {
        const { headers } = yield* Effect.flip(openSocket({ headers: {} }))
        const metadata = `http://${yield* host}/.well-known/oauth-protected-resource/mcp`
        assert.include(headers["www-authenticate"], `resource_metadata="${metadata}"`)
      })
    )

    it.effect("tells requests that are none for a WebSocket what is missing", () =>
      Effect.gen(function* () {
        const url = `http://${yield* host}/mcp/ws`
        const plain = yield* Effect.promise(() => fetch(url, bearer(key)))
        assert.strictEqual(plain.status, 426)
        assert.strictEqual(plain.headers.get("upgrade"), "websocket")
        const posted = yield* Effect.promise(() => fetch(url, { ...bearer(key), method: "POST", body: "{}" }))
        assert.strictEqual(posted.status, 405)
        assert.strictEqual(posted.headers.get("allow"), "GET")
        const stranger = yield* Effect.promise(() => fetch(url))
        assert.strictEqual(stranger.status, 401)
      })
    )

    it.effect("takes the key as X-API-Key too, and a page of this machine", () =>
      Effect.gen(function* () {
        const peer = yield* openSocket({ headers: { "x-api-key": key, origin: "http://localhost:3000" } })
        assert.strictEqual(peer.socket.protocol, "mcp")
        assert.strictEqual(peer.socket.extensions, "")
      })
    )
  })

  describe("serves", () => {
    for (const client of mcpClients) {
      it.effect(client, () =>
        Effect.gen(function* () {
          const { hanging, interrupted } = yield* Signals
          const peer = yield* connectWebSocket(client, `ws://${yield* host}/mcp/ws`, key)
          assert.deepStrictEqual(
            (yield* peer.listTools).map(({ name }) => name),
            ["echo", "hang", "progress"]
          )
          const echoed = yield* peer.callTool("echo", { text: "größer" })
          assert.deepStrictEqual(echoed.structuredContent, { text: "größer" })
          const cancelled = yield* Effect.forkChild(peer.callTool("hang", {}))
          yield* Queue.take(hanging)
          yield* Fiber.interrupt(cancelled)
          yield* Queue.take(interrupted)
          const unknown = yield* Effect.flip(peer.callTool("nothing", {}))
          assert.strictEqual(unknown.code, -32602)
        })
      )
    }

    it.effect("progress before the answer", () =>
      Effect.gen(function* () {
        const { next, send } = yield* openSocket()
        yield* send(call(1, "progress", { _meta: { ...envelope, progressToken: "p" } }))
        for (const progress of [1, 2]) {
          assert.containSubset(yield* next, {
            method: "notifications/progress",
            params: { progressToken: "p", progress, total: 2 }
          })
        }
        assert.containSubset(yield* next, { id: 1, result: { content: [{ text: "done" }] } })
      })
    )

    it.effect("subscriptions since 2026-07-28, of the caller's tenant alone", () =>
      Effect.gen(function* () {
        const { announce } = yield* Changes
        const { frames, next, send } = yield* openSocket()
        const uri = "context://one"
        yield* send(
          request("s", "subscriptions/listen", {
            notifications: { toolsListChanged: true, resourceSubscriptions: [uri] }
          })
        )
        assert.containSubset(yield* next, { method: "notifications/subscriptions/acknowledged" })
        yield* announce({ _tag: "ToolsChanged", tenantId: otherTenantId })
        yield* announce({ _tag: "PromptsChanged", tenantId })
        yield* announce({ _tag: "ResourceUpdated", tenantId, uri: "context://two" })
        yield* announce({ _tag: "ToolsChanged", tenantId })
        assert.containSubset(yield* next, {
          method: "notifications/tools/list_changed",
          params: { _meta: { "io.modelcontextprotocol/subscriptionId": "s" } }
        })
        yield* announce({ _tag: "ResourceUpdated", tenantId, uri })
        assert.containSubset(yield* next, { method: "notifications/resources/updated", params: { uri } })
        yield* send(notification("notifications/cancelled", { requestId: "s" }))
        yield* send(call(1, "echo"))
        assert.containSubset(yield* next, { id: 1 })
        yield* announce({ _tag: "ToolsChanged", tenantId })
        yield* send(call(2, "echo"))
        assert.containSubset(yield* next, { id: 2 })
        assert.strictEqual(yield* Queue.size(frames), 0)
      })
    )

    it.effect("news of the caller's tasks, to a subscription for them alone too", () =>
      Effect.gen(function* () {
        const { tasks } = yield* Signals
        const { announce } = yield* Changes
        const { frames, next, send } = yield* openSocket()
        const [own, unasked, foreign] = [freshId(TaskId), freshId(TaskId), freshId(TaskId)]
        const changed = (taskId: TaskId, tenant = tenantId) =>
          announce({ _tag: "TaskChanged", tenantId: tenant, taskId })
        for (const id of [own, unasked]) tasks.set(id, { taskId: id, status: "working" })

        yield* send(request("t", "subscriptions/listen", { notifications: { taskIds: [own, foreign, "größe"] } }))
        assert.deepStrictEqual((yield* next)["params"], {
          notifications: { taskIds: [own] },
          _meta: { "io.modelcontextprotocol/subscriptionId": "t" }
        })
        yield* send(
          request("both", "subscriptions/listen", { notifications: { toolsListChanged: true, taskIds: [own] } })
        )
        assert.containSubset(yield* next, {
          method: "notifications/subscriptions/acknowledged",
          params: { notifications: { toolsListChanged: true, taskIds: [own] } }
        })
        tasks.set(own, { taskId: own, status: "completed" })
        yield* changed(own, otherTenantId)
        yield* changed(unasked)
        yield* changed(foreign)
        yield* changed(own)
        for (const id of ["t", "both"]) {
          assert.deepStrictEqual(yield* next, {
            jsonrpc: "2.0",
            method: "notifications/tasks",
            params: {
              taskId: own,
              status: "completed",
              _meta: { "io.modelcontextprotocol/subscriptionId": id }
            }
          })
        }
        yield* send(notification("notifications/cancelled", { requestId: "t" }))
        yield* send(call(1, "echo"))
        yield* next
        yield* changed(own)
        assert.containSubset(yield* next, {
          params: { taskId: own, _meta: { "io.modelcontextprotocol/subscriptionId": "both" } }
        })
        yield* send(call(2, "echo"))
        assert.containSubset(yield* next, { id: 2 })
        assert.strictEqual(yield* Queue.size(frames), 0)
      })
    )

    it.effect("no subscription for what are no task ids, too many, or an id that is in use", () =>
      Effect.gen(function* () {
        const { next, send } = yield* openSocket()
        const listen = (id: unknown, taskIds: unknown) =>
          send(request(id, "subscriptions/listen", { notifications: { taskIds } }))
        for (const taskIds of ["x", [1], Array.from({ length: 1001 }, () => "x")]) {
          yield* listen("t", taskIds)
          assert.containSubset(yield* next, { id: "t", error: { code: -32602 } })
        }
        const { tasks } = yield* Signals
        const own = freshId(TaskId)
        tasks.set(own, { taskId: own })
        yield* listen("t", [own])
        assert.containSubset(yield* next, { method: "notifications/subscriptions/acknowledged" })
        yield* listen("t", [own])
        assert.containSubset(yield* next, { id: "t", error: { code: -32600 } })
      })
    )

    it.effect("news and resource subscriptions of the older revisions", () =>
      Effect.gen(function* () {
        const { announce } = yield* Changes
        const { next, send } = yield* openLegacy
        const plain = (id: number, method: string, params: object) => ({ jsonrpc: "2.0", id, method, params })
        yield* send(plain(1, "resources/subscribe", { uri: "context://one" }))
        assert.containSubset(yield* next, { id: 1, result: {} })
        yield* announce({ _tag: "ResourceUpdated", tenantId, uri: "context://two" })
        yield* announce({ _tag: "ResourceUpdated", tenantId, uri: "context://one" })
        assert.containSubset(yield* next, {
          method: "notifications/resources/updated",
          params: { uri: "context://one" }
        })
        yield* send(plain(2, "resources/unsubscribe", { uri: "context://one" }))
        assert.containSubset(yield* next, { id: 2, result: {} })
        yield* announce({ _tag: "ResourceUpdated", tenantId, uri: "context://one" })
        yield* announce({ _tag: "ResourcesChanged", tenantId: otherTenantId })
        yield* announce({ _tag: "ResourcesChanged", tenantId })
        assert.containSubset(yield* next, { method: "notifications/resources/list_changed" })
      })
    )
  })

  describe("bounds", () => {
    it.effect("the size of a message", () =>
      Effect.gen(function* () {
        const { closed, send } = yield* openSocket()
        yield* send("x".repeat(200_001))
        assert.strictEqual(yield* closed, 1009)
      })
    )

    it.effect("messages to text", () =>
      Effect.gen(function* () {
        const { closed, send } = yield* openSocket()
        yield* send(Buffer.from(JSON.stringify(call(1, "echo"))))
        assert.strictEqual(yield* closed, 1003)
      })
    )

    it.effect("text to JSON-RPC, and goes on", () =>
      Effect.gen(function* () {
        const { next, send } = yield* openSocket()
        for (const [text, id, code] of [
          ["{oops", null, -32700],
          [`${"[".repeat(500)}${"]".repeat(500)}`, null, -32600],
          ['{"id":7,"method":"tools/list"}', 7, -32600],
          ["[]", null, -32600],
          ["null", null, -32600]
        ] as const) {
          yield* send(text)
          assert.containSubset(yield* next, { jsonrpc: "2.0", id, error: { code } })
        }
        const uris = Array.from({ length: 6000 }, (_, index) => `context://${index}`)
        yield* send(request(8, "subscriptions/listen", { notifications: { resourceSubscriptions: uris } }))
        assert.containSubset(yield* next, { id: 8, error: { code: -32602 } })
        yield* send(call(1, "echo"))
        assert.containSubset(yield* next, { id: 1, result: { structuredContent: { given: 1 } } })
      })
    )

    it.effect("the requests in flight", () =>
      Effect.gen(function* () {
        const { hanging, interrupted } = yield* Signals
        const { next, send } = yield* openSocket()
        for (let id = 0; id < maxRequestsInFlight; id++) {
          yield* send(call(id, "hang"))
          yield* Queue.take(hanging)
        }
        yield* send(call("more", "echo"))
        assert.containSubset(yield* next, { id: "more", error: { code: -32000 } })
        yield* send(notification("notifications/cancelled", { requestId: 3 }))
        yield* Queue.take(interrupted)
        yield* send(call(4, "echo"))
        assert.containSubset(yield* next, { id: 4, error: { code: -32600 } })
        yield* send(call("more", "echo"))
        assert.containSubset(yield* next, { id: "more", result: {} })
      })
    )

    it.effect("what waits for a client that does not read", () =>
      Effect.gen(function* () {
        const { announce } = yield* Changes
        const { closed, frames, next, send, socket } = yield* openSocket()
        const uri = `context://${"x".repeat(60_000)}`
        yield* send(request("s", "subscriptions/listen", { notifications: { resourceSubscriptions: [uri] } }))
        yield* next
        socket.pause()
        const updates = 1000
        yield* Effect.repeat(announce({ _tag: "ResourceUpdated", tenantId, uri }), { times: updates - 1 })
        socket.resume()
        assert.include([1013, 1006], yield* closed)
        assert.isBelow(yield* Queue.size(frames), updates)
      })
    )
  })

  describe("ends", () => {
    it.effect("with what the client asked for, when the client goes", () =>
      Effect.gen(function* () {
        const { hanging, interrupted } = yield* Signals
        const { send, socket } = yield* openSocket()
        yield* send(call(1, "hang"))
        yield* Queue.take(hanging)
        socket.close()
        yield* Queue.take(interrupted)
      })
    )

    it.effect("when the key is revoked, at once for calls", () =>
      Effect.gen(function* () {
        const { revoked } = yield* Signals
        const asking = yield* openSocket(bearer(revocableKey))
        const idle = yield* openSocket(bearer(revocableKey))
        const other = yield* openSocket()
        yield* asking.send(call(1, "echo"))
        assert.containSubset(yield* asking.next, { id: 1, result: {} })
        revoked.add(revocableKey)
        yield* asking.send(call(2, "echo"))
        assert.containSubset(yield* asking.next, { id: 2, error: { message: "The API key is not valid" } })
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* asking.closed, 1008)
        assert.strictEqual(yield* idle.closed, 1008)
        yield* other.send(call(1, "echo"))
        assert.containSubset(yield* other.next, { id: 1, result: {} })
      })
    )

    it.effect("at once when the bus says that the key is revoked, and nobody else's", () =>
      Effect.gen(function* () {
        const revocations = yield* Revocations
        const idle = yield* openSocket(bearer(knownKey))
        const other = yield* openSocket()
        yield* revocations.announce(knownKeyId)
        assert.strictEqual(yield* idle.closed, 1008)
        yield* other.send(call(1, "echo"))
        assert.containSubset(yield* other.next, { id: 1, result: {} })
      })
    )

    it.effect("when the client gives no sign of life", () =>
      Effect.gen(function* () {
        const dead = yield* openSocket({ autoPong: false })
        const alive = yield* openSocket()
        const pinged = (socket: typeof alive.socket) =>
          Effect.callback<void>((resume) => void socket.once("ping", () => resume(Effect.void)))
        const first = yield* Effect.forkChild(pinged(dead.socket), { startImmediately: true })
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.join(first)
        // An answer shows that the pong before it has come.
        yield* alive.send(call(1, "echo"))
        yield* alive.next
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* dead.closed, 1006)
        yield* alive.send(call(2, "echo"))
        assert.containSubset(yield* alive.next, { id: 2 })
      })
    )
  })
})
