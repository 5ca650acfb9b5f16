import { Changes } from "@devops-mcp/core/changes/Changes"
import { TaskId } from "@devops-mcp/domain/Ids"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Queue, Stream } from "effect"
import { Registries } from "../src/edge/Registries.ts"
import { makeListen } from "../src/http/Listen.ts"
import { otherTenantId, principal, RegistriesFake, Signals, tenantId } from "./WebSocketFakes.ts"

/** The messages of the stream that a listening client is answered with. */
const listening = Effect.fnUntraced(function* (notifications: object) {
  const draining = yield* Deferred.make<void>()
  const listen = makeListen(yield* Registries, Deferred.await(draining))
  const message = { jsonrpc: "2.0" as const, id: "s", method: "subscriptions/listen", params: { notifications } }
  const { body } = yield* listen(message, principal)
  if (body._tag !== "Stream") return yield* Effect.die(new Error("no stream"))
  const messages = yield* Queue.unbounded<unknown>()
  yield* body.stream.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.startsWith("data: ")),
    Stream.runForEach((line) => Queue.offer(messages, JSON.parse(line.slice("data: ".length)))),
    Effect.orDie,
    Effect.forkScoped
  )
  return { messages, next: Queue.take(messages), drain: Deferred.succeed(draining, undefined) }
})

const _meta = { "io.modelcontextprotocol/subscriptionId": "s" }

layer(RegistriesFake)("subscriptions/listen over HTTP", (it) => {
  it.effect("acknowledges what it honours, tells of that alone, and says good-bye", () =>
    Effect.gen(function* () {
      const [{ tasks }, { announce }] = [yield* Signals, yield* Changes]
      const [own, foreign] = [freshId(TaskId), freshId(TaskId)]
      tasks.set(own, { taskId: own, status: "working" })
      const { drain, messages, next } = yield* listening({ toolsListChanged: false, taskIds: [own, foreign, "größe"] })
      assert.deepStrictEqual(yield* next, {
        jsonrpc: "2.0",
        method: "notifications/subscriptions/acknowledged",
        params: { notifications: { taskIds: [own] }, _meta }
      })
      yield* announce({ _tag: "ToolsChanged", tenantId })
      yield* announce({ _tag: "TaskChanged", tenantId, taskId: foreign })
      yield* announce({ _tag: "TaskChanged", tenantId: otherTenantId, taskId: own })
      yield* announce({ _tag: "TaskChanged", tenantId, taskId: own })
      assert.deepStrictEqual(yield* next, {
        jsonrpc: "2.0",
        method: "notifications/tasks",
        params: { taskId: own, status: "working", _meta }
      })
      yield* drain
      assert.containSubset(yield* next, { id: "s", result: { resultType: "complete", _meta } })
      assert.strictEqual(yield* Queue.size(messages), 0)
    })
  )

  it.effect("has a bound for one caller, which others do not feel", () =>
    Effect.gen(function* () {
      const listen = makeListen(yield* Registries, Effect.never)
      const params = { notifications: { toolsListChanged: true } }
      const ask = (actor: string) =>
        listen({ jsonrpc: "2.0", id: "s", method: "subscriptions/listen", params }, { ...principal, actor })
      const open = Effect.fnUntraced(function* () {
        const { body } = yield* ask("greedy")
        if (body._tag !== "Stream") return yield* Effect.die(new Error("no stream"))
        const acknowledged = yield* Deferred.make<void>()
        yield* body.stream.pipe(
          Stream.runForEach(() => Deferred.succeed(acknowledged, undefined)),
          Effect.orDie,
          Effect.forkScoped
        )
        yield* Deferred.await(acknowledged)
      })
      yield* Effect.replicateEffect(open(), 1_000)
      assert.notStrictEqual((yield* ask("greedy")).body._tag, "Stream")
      assert.strictEqual((yield* ask("modest")).body._tag, "Stream")
    })
  )

  it.effect("ends at once when nothing of the filter is honoured", () =>
    Effect.gen(function* () {
      const { next } = yield* listening({ taskIds: [freshId(TaskId)] })
      assert.containSubset(yield* next, { params: { notifications: {}, _meta } })
      assert.containSubset(yield* next, { id: "s", result: { _meta } })
    })
  )
})
