import { webSocketDrain } from "@devops-mcp/resilience/Policies"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import { TestClock } from "effect/testing"
import { PassThrough } from "node:stream"
import { makeWebSocketPeers, maxWebSocketsOfCaller } from "../src/websocket/WebSocketPeers.ts"
import {
  call,
  notification,
  openSocket,
  principal,
  RegistriesFake,
  request,
  Signals,
  SocketServer
} from "./WebSocketFakes.ts"

describe("a server that stops", () => {
  it.effect("lets running requests finish for a while, and says good-bye", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Layer.fresh(SocketServer), scope)
      yield* Effect.gen(function* () {
        const { hanging } = yield* Signals
        const [idle, listening, answered, hung] = yield* Effect.all([
          openSocket(),
          openSocket(),
          openSocket(),
          openSocket()
        ])
        yield* listening.send(request("s", "subscriptions/listen", { notifications: { toolsListChanged: true } }))
        yield* listening.next
        for (const { send } of [answered, hung]) {
          yield* send(call(1, "hang"))
          yield* Queue.take(hanging)
        }
        const stopped = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        assert.strictEqual(yield* idle.closed, 1001)
        assert.containSubset(yield* listening.next, { id: "s", result: { resultType: "complete" } })
        assert.strictEqual(yield* listening.closed, 1001)
        yield* answered.send(call(2, "echo"))
        assert.containSubset(yield* answered.next, {
          id: 2,
          error: { code: -32000, message: "The server is stopping" }
        })
        yield* answered.send(notification("notifications/cancelled", { requestId: 1 }))
        assert.strictEqual(yield* answered.closed, 1001)
        yield* TestClock.adjust(webSocketDrain)
        assert.strictEqual(yield* hung.closed, 1001)
        yield* Fiber.join(stopped)
      }).pipe(Effect.provideContext(context))
    })
  )
})

describe("the number of WebSockets", () => {
  it.effect("is bounded for each caller", () =>
    Effect.gen(function* () {
      const { reserve } = yield* makeWebSocketPeers
      const admitted = { address: undefined, principal, credential: undefined as never, view: undefined as never }
      const sockets = Array.from({ length: maxWebSocketsOfCaller }, () => new PassThrough())
      for (const socket of sockets) assert.isUndefined(reserve(admitted, socket))
      assert.strictEqual(reserve(admitted, new PassThrough())?.status, 429)
      const other = { ...admitted, principal: { ...principal, actor: "another" } }
      assert.isUndefined(reserve(other, new PassThrough()))
      sockets[0]?.emit("close")
      assert.isUndefined(reserve(admitted, new PassThrough()))
    }).pipe(Effect.provide(RegistriesFake))
  )
})
