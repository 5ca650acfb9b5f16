import { Unauthenticated } from "@devops-mcp/domain/Errors"
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/server"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Queue, References, type Schema } from "effect"
import { TestClock } from "effect/testing"
import { subscriptionNotification } from "../src/edge/Subscriptions.ts"
import { TaskSubscriptions, type TaskSubscriptionsOptions } from "../src/edge/TaskSubscriptions.ts"
import { TaskRegistry } from "../src/registry/TaskRegistry.ts"
import { principal } from "./WebSocketFakes.ts"

const silent = Layer.succeed(References.MinimumLogLevel, "None")

/** The transport between an SDK that the test plays, and a client that takes what is sent. */
const opened = Effect.fnUntraced(function* (
  get: (taskId: string) => Effect.Effect<Schema.JsonObject>,
  caller: TaskSubscriptionsOptions["principal"] = Effect.succeed(principal)
) {
  const tasks = Context.get(
    yield* Layer.build(Layer.mock(TaskRegistry, { created: () => ({}), get: (_, taskId) => get(taskId) })),
    TaskRegistry
  )
  const sent = yield* Queue.unbounded<JSONRPCMessage>()
  const wire: Transport = {
    start: () => Promise.resolve(),
    close: () => Promise.resolve(),
    send: (message) => {
      Queue.offerUnsafe(sent, message)
      return Promise.resolve()
    }
  }
  const transport = new TaskSubscriptions({
    transport: wire,
    tasks,
    principal: caller,
    context: yield* Effect.context<never>()
  })
  yield* Effect.promise(() => transport.start())
  const receive = (message: JSONRPCMessage) => Effect.sync(() => wire.onmessage?.(message))
  return {
    transport,
    sent,
    next: Queue.take(sent),
    receive,
    listen: (id: string, taskIds: ReadonlyArray<string>) =>
      Effect.andThen(
        receive({ jsonrpc: "2.0", id, method: "subscriptions/listen", params: { notifications: { taskIds } } }),
        Effect.promise(() => transport.send(acknowledgement(id)))
      ),
    cancel: (id: string) => receive({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } })
  }
})

const acknowledgement = (id: string, notifications: Schema.JsonObject = {}) =>
  subscriptionNotification(id, "notifications/subscriptions/acknowledged", { notifications })
const toolsChanged = (id: string) => subscriptionNotification(id, "notifications/tools/list_changed")
const taskIs = (id: string, task: Schema.JsonObject) => subscriptionNotification(id, "notifications/tasks", task)

describe("TaskSubscriptions", () => {
  it.effect("acknowledges first, whatever changes while it looks whose tasks they are", () =>
    Effect.gen(function* () {
      const looked = yield* Deferred.make<void>()
      const { listen, next, transport } = yield* opened(() =>
        Effect.as(Deferred.await(looked), { status: "completed" })
      )
      yield* listen("s", ["one"])
      const held = yield* Effect.forkChild(
        Effect.promise(() => transport.send(toolsChanged("s"))),
        {
          startImmediately: true
        }
      )
      transport.hear("one")
      // Another subscription does not wait.
      yield* Effect.promise(() => transport.send(toolsChanged("other")))
      assert.deepStrictEqual(yield* next, toolsChanged("other"))
      yield* Deferred.succeed(looked, undefined)
      assert.deepStrictEqual(yield* next, acknowledgement("s", { taskIds: ["one"] }))
      assert.sameDeepMembers([yield* next, yield* next], [toolsChanged("s"), taskIs("s", { status: "completed" })])
      yield* Fiber.join(held)
    })
  )

  it.effect("says nothing of a subscription that was cancelled meanwhile", () =>
    Effect.gen(function* () {
      const looked = yield* Deferred.make<void>()
      const { cancel, listen, sent, transport } = yield* opened(() => Effect.as(Deferred.await(looked), {}))
      yield* listen("s", ["one"])
      const held = yield* Effect.forkChild(
        Effect.promise(() => transport.send(toolsChanged("s"))),
        {
          startImmediately: true
        }
      )
      yield* cancel("s")
      yield* Deferred.succeed(looked, undefined)
      yield* Fiber.join(held)
      assert.strictEqual(yield* Queue.size(sent), 0)
    })
  )

  it.effect("tells the newest state last, and many changes at once as few", () =>
    Effect.gen(function* () {
      let reads = 0
      let state = 0
      const reading = yield* Queue.unbounded<void>()
      const slow = yield* Queue.unbounded<void>()
      const { listen, next, sent, transport } = yield* opened(() =>
        Effect.suspend(() => {
          const read = { state }
          if (reads++ === 0) return Effect.succeed(read)
          return Queue.offer(reading, undefined).pipe(Effect.andThen(Queue.take(slow)), Effect.as(read))
        })
      )
      yield* listen("s", ["one"])
      yield* next
      transport.hear("one")
      yield* Queue.take(reading)
      for (state = 1; state < 100; state++) transport.hear("one")
      yield* Queue.offer(slow, undefined)
      assert.deepStrictEqual(yield* next, taskIs("s", { state: 0 }))
      yield* Queue.take(reading)
      yield* Queue.offer(slow, undefined)
      assert.deepStrictEqual(yield* next, taskIs("s", { state: 100 }))
      state = 200
      transport.hear("one")
      yield* Queue.take(reading)
      yield* Queue.offer(slow, undefined)
      assert.deepStrictEqual(yield* next, taskIs("s", { state: 200 }))
      assert.deepStrictEqual([reads, yield* Queue.size(sent)], [4, 0])
    })
  )

  it.effect("follows nothing when whose tasks they are is not known in time, or the caller is none any more", () =>
    Effect.gen(function* () {
      const slow = yield* opened(() => Effect.never)
      yield* slow.listen("s", ["one"])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* slow.next, acknowledgement("s"))
      const revoked = yield* opened(() => Effect.succeed({}), Effect.fail(new Unauthenticated({ detail: "revoked" })))
      yield* revoked.listen("s", ["one"])
      assert.deepStrictEqual(yield* revoked.next, acknowledgement("s"))
    }).pipe(Effect.provide(silent))
  )

  it.effect("looks at nothing any more when the connection ends", () =>
    Effect.gen(function* () {
      const [begun, interrupted] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { listen, transport } = yield* opened(() =>
        Deferred.succeed(begun, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      )
      yield* listen("s", ["one"])
      yield* Deferred.await(begun)
      yield* Effect.promise(() => transport.close())
      yield* Deferred.await(interrupted)
    })
  )
})
