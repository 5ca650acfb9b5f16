import { connectHttp } from "@devops-mcp/testing/McpClients"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { WebSocket } from "ws"
import { Cluster, key } from "./replicas/Cluster.ts"
import { eventStream, postDelivery } from "./replicas/EventStreams.ts"
import { makeProxy } from "./replicas/Proxy.ts"
import { type Message, modernClient, sessionClient } from "./replicas/RawMcp.ts"

/** Starts work that is held in its middle. */
const startTask = Effect.fnUntraced(function* (url: string) {
  const { git } = yield* Cluster
  const { result = {} } = yield* modernClient(key).ask(url, "tools/call", { name: "git_statistics", arguments: {} })
  assert.strictEqual(result["resultType"], "task")
  return { taskId: String(result["taskId"]), held: yield* git.started }
})

const statusOf = ({ params, result }: Message) => params?.["status"] ?? result?.["status"]

const hasCounted = (message: Message) => {
  assert.strictEqual(statusOf(message), "completed")
  assert.match(JSON.stringify(message), /"structuredContent":\{[^}]*"commits":[1-9]/)
}

// Several processes need a database and a bus that several processes can open.
const hasServices = process.env["DATABASE_URL"] !== undefined && process.env["REDIS_URL"] !== undefined

describe.skipIf(!hasServices)("replicas on PostgreSQL and Redis", () => {
  layer(Cluster.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("a revoked key is refused by the other replica within a second, and what it has open there ends", () =>
      Effect.gen(function* () {
        const { api, b } = yield* Cluster
        const created = yield* api.apiKeys.create({ payload: { name: "revoked", role: "agent" } })
        const client = modernClient(created.key)
        const listening = yield* client.listen(b, { toolsListChanged: true })
        yield* listening.next
        const session = yield* sessionClient(created.key, b)
        const news = yield* session.listen(b)
        yield* news.next
        const socket = yield* Effect.acquireRelease(
          Effect.sync(() => {
            const headers = { authorization: `Bearer ${created.key}` }
            return new WebSocket(`${b.replace("http", "ws")}/mcp/ws`, "mcp", { headers })
          }),
          (open) => Effect.sync(() => open.terminate())
        )
        yield* Effect.callback<void>((resume) => void socket.once("open", () => resume(Effect.void)))
        const closed = yield* Effect.forkChild(
          Effect.callback<number>((resume) => void socket.once("close", (code) => resume(Effect.succeed(code)))),
          { startImmediately: true }
        )
        assert.isDefined((yield* client.ask(b, "tools/list")).result)

        yield* api.apiKeys.revoke({ params: { id: created.id } })
        yield* Effect.all([listening.over, news.over], { concurrency: 2 }).pipe(Effect.timeout("1 second"))
        assert.strictEqual(yield* Effect.timeout(Fiber.join(closed), "1 second"), 1008)
        const { error, result } = yield* client.ask(b, "tools/list")
        assert.isUndefined(result)
        assert.include(error?.message, "revoked")
      })
    )

    it.effect("kill -9 of a replica: a session goes on at the other, with its subscriptions and its news", () =>
      Effect.gen(function* () {
        const { api, b, launch } = yield* Cluster
        const a = yield* launch("mcp")
        const client = yield* sessionClient(key, a.url)
        const context = yield* api.contexts.create({ payload: { name: "watched" } })
        const uri = `context://${context.id}`
        const append = api.contexts.append({
          params: { id: context.id },
          payload: { items: [{ role: "user", content: "news" }] }
        })
        assert.deepStrictEqual((yield* client.ask(a.url, "resources/subscribe", { uri })).result, {})
        const news = yield* client.listen(a.url)
        const { id } = yield* news.next
        yield* append
        yield* news.hear("notifications/resources/updated")

        yield* a.signal("SIGKILL")
        yield* news.over
        const called = yield* client.ask(b, "tools/call", { name: "context_get", arguments: { contextId: context.id } })
        assert.notStrictEqual(called.result?.["isError"], true)
        const resumed = yield* client.listen(b, id)
        // Nobody listened in between, so it may have changed.
        assert.deepStrictEqual((yield* resumed.hear("notifications/resources/updated")).params, { uri })
        yield* append
        assert.deepStrictEqual((yield* resumed.hear("notifications/resources/updated")).params, { uri })
        assert.strictEqual(yield* client.end(b), 204)
        yield* resumed.over
        assert.strictEqual((yield* client.ask(b, "ping")).error?.code, -32001)
      })
    )

    it.effect("kill -9 of a replica: a stream of events goes on at the other after the last one, and misses none", () =>
      Effect.gen(function* () {
        const { api, launch } = yield* Cluster
        const [a, c, worker] = yield* Effect.all([launch("api"), launch("api"), launch("worker")], { concurrency: 3 })
        const { secret, url } = yield* api.webhooks.create({ payload: { source: "github", name: "stream" } })
        const post = (delivery: string) => postDelivery(url, secret, delivery)
        const before = yield* eventStream(a.url, key)
        const first = yield* post("first")
        const told = yield* before.next
        assert.strictEqual(told.event?.deliveryId, first)
        assert.strictEqual(told.event?.status, "processed")

        yield* a.signal("SIGKILL")
        const second = yield* post("second")
        const after = yield* eventStream(c.url, key, told.id)
        assert.strictEqual((yield* after.next).event?.deliveryId, second)
        const third = yield* post("third")
        assert.strictEqual((yield* after.next).event?.deliveryId, third)
        yield* worker.signal("SIGKILL")
      })
    )

    it.effect(
      "kill -9 of a replica: the SDKs' clients of 2025-11-25 go on behind a load balancer, and do not notice",
      () =>
        Effect.gen(function* () {
          const { b, launch } = yield* Cluster
          const a = yield* launch("mcp")
          const clients = yield* Effect.forEach(
            ["SDK 1", "SDK 2 legacy"] as const,
            Effect.fnUntraced(function* (name) {
              const proxy = yield* makeProxy(a.url)
              const peer = yield* connectHttp(name, `${proxy.url}/mcp`, key)
              yield* proxy.next(({ method, status }) => method === "GET" && status === 200)
              yield* proxy.use(b)
              return { peer, proxy }
            })
          )
          yield* a.signal("SIGKILL")
          for (const { peer, proxy } of clients) {
            const made = yield* peer.callTool("context_create", { name: "after" })
            assert.strictEqual(made.structuredContent?.["name"], "after")
            const again = yield* proxy.next(({ method }) => method === "GET")
            assert.deepStrictEqual(again, { method: "GET", status: 200, target: b })
          }
        })
    )

    it.effect("kill -9 of a replica: what a call had said before is heard at the other, all of it and once", () =>
      Effect.gen(function* () {
        const { b, launch } = yield* Cluster
        const [begun, a] = yield* Effect.all([launch("mcp"), launch("variant")], { concurrency: 2 })
        const client = yield* sessionClient(key, begun.url)
        // The level belongs to the session and not to the replica that was told.
        assert.deepStrictEqual((yield* client.ask(begun.url, "logging/setLevel", { level: "info" })).result, {})
        yield* begun.signal("SIGKILL")
        const before = yield* client.stream(a.url, "tools/call", { name: "steps", arguments: {} })
        const [begin, first, second] = [yield* before.next, yield* before.next, yield* before.next]
        const said = [first, second].map(({ message }) => message?.params?.["data"])
        assert.deepStrictEqual(said, ["first", "second"])

        yield* a.signal("SIGKILL")
        yield* before.over
        const replayed = yield* client.listen(b, begin.id)
        assert.deepStrictEqual([yield* replayed.next, yield* replayed.next], [first, second])
        const rest = yield* client.listen(b, first.id)
        assert.deepStrictEqual(yield* rest.next, second)
        assert.deepStrictEqual(yield* replayed.rest, [])
        assert.strictEqual(yield* client.end(b), 204)
        assert.deepStrictEqual(yield* rest.rest, [])
      })
    )

    it.effect(
      "kill -9 of a replica: its tasks and listeners go on at the other, which hears of what others change",
      () =>
        Effect.gen(function* () {
          const { api, b, launch } = yield* Cluster
          const [a] = yield* Effect.all([launch("mcp"), launch("worker")], { concurrency: 2 })
          const client = modernClient(key)
          const { held, taskId } = yield* startTask(a.url)
          const wanted = { toolsListChanged: true, resourcesListChanged: true, taskIds: [taskId] }
          const broken = yield* client.listen(a.url, wanted)
          yield* broken.hear("notifications/subscriptions/acknowledged")
          // A change at one replica is heard at the other.
          yield* client.ask(b, "tools/call", { name: "context_create", arguments: { name: "from B" } })
          yield* broken.hear("notifications/resources/list_changed")

          yield* a.signal("SIGKILL")
          yield* broken.over
          assert.strictEqual(statusOf(yield* client.ask(b, "tasks/get", { taskId })), "working")
          const news = yield* client.listen(b, wanted)
          yield* news.hear("notifications/subscriptions/acknowledged")
          yield* api.tools.create({ payload: { name: "other", kind: "git" } })
          yield* news.hear("notifications/tools/list_changed")
          const { result } = yield* client.ask(b, "tools/list")
          assert.include(JSON.stringify(result), '"name":"other_log"')
          yield* held.go
          hasCounted(yield* news.hear("notifications/tasks"))
          hasCounted(yield* client.ask(b, "tasks/get", { taskId }))

          const stranger = yield* api.apiKeys.create({ payload: { name: "stranger", role: "admin" } })
          for (const method of ["tasks/get", "tasks/cancel"]) {
            assert.strictEqual((yield* modernClient(stranger.key).ask(b, method, { taskId })).error?.code, -32602)
          }

          const unwanted = yield* startTask(b)
          assert.isUndefined((yield* client.ask(b, "tasks/cancel", { taskId: unwanted.taskId })).error)
          yield* unwanted.held.killed
          assert.strictEqual(statusOf(yield* client.ask(b, "tasks/get", { taskId: unwanted.taskId })), "cancelled")
        })
    )

    it.effect(
      "of a worker: another finishes its task",
      () =>
        Effect.gen(function* () {
          const { b, git, launch } = yield* Cluster
          const worker = yield* launch("worker")
          const { taskId } = yield* startTask(b)
          yield* worker.signal("SIGKILL")
          yield* launch("worker")
          const news = yield* modernClient(key).listen(b, { taskIds: [taskId] })
          // The dead worker's lease ends first.
          yield* (yield* git.started).go
          hasCounted(yield* news.hear("notifications/tasks"))
        }),
      90_000
    )
  })
})
