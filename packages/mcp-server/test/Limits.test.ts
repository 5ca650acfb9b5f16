import * as BusMemory from "@devops-mcp/cache/BusMemory"
import type { LimitSettings } from "@devops-mcp/core/limits/Limits"
import { McpSessionRepository } from "@devops-mcp/core/ports/McpSessionRepository"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { wrongCredentialsOfAddress } from "@devops-mcp/resilience/Policies"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer, Queue } from "effect"
import { TestClock } from "effect/testing"
import { McpHttp } from "../src/http/McpHttp.ts"
import { WebSocketRoutes } from "../src/websocket/WebSocketRoutes.ts"
import { send } from "./RawHttp.ts"
import { call, host, key, openSocket, Refused, RegistriesFake, request, Signals } from "./WebSocketFakes.ts"

const proxied = { "x-forwarded-for": "203.0.113.7" }

const server = (limits: Partial<LimitSettings>) =>
  Layer.fresh(serve(Layer.merge(McpHttp, WebSocketRoutes))).pipe(
    Layer.provide(testLimits(limits)),
    Layer.provideMerge(Layer.fresh(RegistriesFake)),
    Layer.provide([
      BusMemory.layer,
      Layer.mock(McpSessionRepository, {}),
      ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0", TRUSTED_PROXIES: "127.0.0.1" }))
    ])
  )

const modern = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
  "mcp-protocol-version": "2026-07-28"
}

const post = Effect.fnUntraced(function* (
  message: { readonly method: string; readonly params?: object },
  credential: string = key,
  headers: Readonly<Record<string, string>> = {}
) {
  const name = "name" in (message.params ?? {}) ? { "mcp-name": "hang" } : {}
  const answer = yield* send(`http://${yield* host}/mcp`, {
    headers: { ...modern, ...name, "mcp-method": message.method, authorization: `Bearer ${credential}`, ...headers },
    body: JSON.stringify(message)
  })
  return { ...answer, json: JSON.parse(answer.text) }
})

const list = request(1, "tools/list")

describe("limits of /mcp", () => {
  it.effect("are shown in every answer to a caller, and refuse one request too many in JSON-RPC", () =>
    Effect.gen(function* () {
      for (const remaining of ["1", "0"]) {
        const { headers, status } = yield* post(list)
        assert.strictEqual(status, 200)
        assert.containSubset(headers, { "ratelimit-limit": "2", "ratelimit-remaining": remaining })
      }
      const { headers, json, status } = yield* post(list)
      assert.strictEqual(status, 429)
      assert.containSubset(headers, {
        "retry-after": "30",
        "ratelimit-limit": "2",
        "ratelimit-remaining": "0",
        "ratelimit-reset": "60"
      })
      assert.containSubset(json, { jsonrpc: "2.0", id: null, error: { code: -32000 } })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* post(list)).status, 200)
    }).pipe(Effect.provide(server({ perCredential: 2 })))
  )

  it.effect("count requests that run, but no stream that waits", () =>
    Effect.gen(function* () {
      const { hanging } = yield* Signals
      const listening = yield* openSocket()
      yield* listening.send(request("s", "subscriptions/listen", { notifications: { toolsListChanged: true } }))
      yield* listening.next
      const running = yield* Effect.forkChild(post(call(1, "hang")))
      yield* Queue.take(hanging)
      const refused = yield* post(list)
      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.headers["retry-after"], "1")
      yield* Fiber.interrupt(running)
    }).pipe(Effect.provide(server({ tenantConcurrency: 1 })))
  )

  it.effect("hold for wrong credentials", () =>
    Effect.gen(function* () {
      for (let count = 0; count < wrongCredentialsOfAddress; count++) {
        assert.strictEqual((yield* post(list, `wrong-${count}`)).status, 401)
      }
      const { headers, status } = yield* post(list, "wrong")
      assert.strictEqual(status, 429)
      assert.strictEqual(headers["retry-after"], "60")
    }).pipe(Effect.provide(server({})))
  )
})

describe("limits of WebSockets", () => {
  it.effect("count the upgrade and each request", () =>
    Effect.gen(function* () {
      const socket = yield* openSocket()
      yield* socket.send(request(1, "tools/list"))
      assert.containSubset(yield* socket.next, { id: 1, result: {} })
      yield* socket.send(request(2, "tools/list"))
      const refused = yield* socket.next
      assert.containSubset(refused, { id: 2, error: {} })
      assert.include(JSON.stringify(refused), "too many requests")
      const closed = yield* Effect.flip(openSocket())
      assert.instanceOf(closed, Refused)
      assert.strictEqual(closed.status, 429)
      assert.strictEqual(closed.headers["retry-after"], "30")
    }).pipe(Effect.provide(server({ perCredential: 2 })))
  )

  it.effect("hold for an address before anybody looks at the credential", () =>
    Effect.gen(function* () {
      const headers = { ...proxied, authorization: "Bearer wrong" }
      assert.strictEqual((yield* Effect.flip(openSocket({ headers }))).status, 401)
      assert.strictEqual((yield* Effect.flip(openSocket({ headers }))).status, 429)
      yield* openSocket()
    }).pipe(Effect.provide(server({ perAddress: 1 })))
  )
})
