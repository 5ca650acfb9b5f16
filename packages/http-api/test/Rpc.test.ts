import { rpcPath } from "@devops-mcp/contract/EventsRpc"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Scope, Stream } from "effect"
import { HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { WebSocket } from "ws"
import { tokenOf } from "./Fakes.ts"
import { logged, TestServer } from "./TestServer.ts"

/** A server that the test stops when it likes. */
const started = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(Layer.fresh(TestServer), scope)
  const { address } = Context.get(context, HttpServer.HttpServer)
  const client = Context.get(context, HttpClient.HttpClient)
  return { client, url: HttpServer.formatAddress(address), stop: Scope.close(scope, Exit.void) }
})

/** A connection as it is, without a client of `effect/rpc`. */
const connect = Effect.fnUntraced(function* (url: string) {
  const closed = yield* Deferred.make<number>()
  const opened = yield* Deferred.make<void>()
  const headers = { authorization: `Bearer ${tokenOf("viewer")}` }
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => new WebSocket(url.replace("http", "ws") + rpcPath, { headers })),
    (open) => Effect.sync(() => open.terminate())
  )
  socket.on("error", () => {})
  socket.on("open", () => Deferred.doneUnsafe(opened, Exit.void))
  socket.on("close", (code) => Deferred.doneUnsafe(closed, Exit.succeed(code)))
  const ask = (message: string | Buffer) =>
    Effect.callback<string>((resume) => {
      socket.once("message", (data) => resume(Effect.succeed(String(data))))
      socket.send(message)
    })
  yield* Deferred.await(opened)
  return { ask, send: (message: string | Buffer) => Effect.sync(() => socket.send(message)), closed }
})

const request = (id: number, tag: string, payload: unknown = {}) =>
  JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] })

describe("a connection for procedures", () => {
  it.live("and a stream of events end when the server stops, and the server does not wait for their clients", () =>
    Effect.gen(function* () {
      const { client, stop, url } = yield* started
      const connection = yield* connect(url)
      const stream = yield* client.execute(
        HttpClientRequest.get("/api/v1/events/stream").pipe(HttpClientRequest.bearerToken(tokenOf("viewer")))
      )
      yield* connection.send(request(1, "EventsFeed"))
      yield* Effect.timeout(stop, "5 seconds")
      assert.strictEqual(yield* Deferred.await(connection.closed), 1001)
      assert.include(yield* Stream.mkString(Stream.decodeText(stream.stream)), "id: now\nretry: 1000\n\n")
    }).pipe(Effect.scoped)
  )

  it.live("answers what it knows, and is closed on what is no message", () =>
    Effect.gen(function* () {
      // Other files log to the same place.
      const before = logged.length
      const { stop, url } = yield* started
      const connection = yield* connect(url)
      assert.include(yield* connection.ask(JSON.stringify({ _tag: "Ping" })), "Pong")
      assert.include(yield* connection.ask(request(1, "Nothing")), "Unknown request tag")
      assert.include(yield* connection.ask(request(2, "EventsFeed", { source: "nobody" })), "Failure")
      for (const message of ["null", "{", "[]", '{"_tag":"Request"}', `${"[".repeat(200)}${"]".repeat(200)}`]) {
        const other = yield* connect(url)
        yield* other.send(message)
        assert.strictEqual(yield* Deferred.await(other.closed), 1003, message)
      }
      const binary = yield* connect(url)
      yield* binary.send(Buffer.from(JSON.stringify({ _tag: "Ping" })))
      assert.strictEqual(yield* Deferred.await(binary.closed), 1003)
      const large = yield* connect(url)
      yield* large.send("x".repeat(70_000))
      assert.strictEqual(yield* Deferred.await(large.closed), 1009)
      assert.notInclude(logged.slice(before).join("\n"), `"level":"ERROR"`)
      yield* stop
    }).pipe(Effect.scoped)
  )

  it.live("runs so many calls at once and no more", () =>
    Effect.gen(function* () {
      const { stop, url } = yield* started
      const connection = yield* connect(url)
      for (let id = 1; id <= 16; id++) yield* connection.send(request(id, "EventsFeed"))
      assert.include(yield* connection.ask(request(17, "EventsFeed")), "At most 16 calls at once")
      yield* connection.ask(JSON.stringify({ _tag: "Interrupt", requestId: 1 }))
      yield* connection.send(request(18, "EventsFeed"))
      assert.include(yield* connection.ask(request(19, "EventsFeed")), `"requestId":19`)
      yield* stop
    }).pipe(Effect.scoped)
  )
})
