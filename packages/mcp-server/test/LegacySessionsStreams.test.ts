import { McpSessionRepository } from "@devops-mcp/core/ports/McpSessionRepository"
import { McpSessionId } from "@devops-mcp/domain/Ids"
import { Draining } from "@devops-mcp/infrastructure/Draining"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { DateTime, Deferred, Effect, Fiber, Queue, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { HttpServerResponse } from "effect/http"
import { makeOutlet } from "../src/http/legacy/Outlet.ts"
import {
  connect,
  decodeMessage,
  eventsOf,
  makeReplica,
  makeSignals,
  type Message,
  principalOf,
  reading,
  SharedLayer,
  type SseEvent
} from "./LegacyReplica.ts"

const setup = Effect.gen(function* () {
  const signals = yield* makeSignals
  const [a, b] = [yield* makeReplica(signals), yield* makeReplica(signals)]
  const principal = principalOf(yield* freshTenant)
  return { a, b, principal, signals, client: yield* connect(a, principal) }
})

/** Reads so many events and then closes the connection. */
const readSome = (response: HttpServerResponse.HttpServerResponse, count: number) =>
  Stream.runCollect(Stream.take(eventsOf(response), count))

const readAll = (response: HttpServerResponse.HttpServerResponse) => Stream.runCollect(eventsOf(response))

/** What a message of the small server's tools says. */
const saying = ({ error, params, result }: Message) => params?.["data"] ?? result?.["content"] ?? error?.code

const sayings = (events: ReadonlyArray<SseEvent>) =>
  events.flatMap(({ data }) => (data === "" ? [] : [saying(decodeMessage(data))]))

const lastId = (events: ReadonlyArray<SseEvent>) => events.at(-1)?.id ?? ""

const content = (text: string) => [{ type: "text", text }]

const total = 12
const cuts = Schema.Array(
  Schema.Struct({ read: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })), onA: Schema.Boolean })
)

layer(SharedLayer, { excludeTestServices: true, timeout: "60 seconds" })("Streams of the 2025 revisions", (it) => {
  it.effect.prop(
    "a stream that breaks anywhere, any number of times, is resumed on any replica without loss or repetition",
    { cuts },
    ({ cuts }) =>
      Effect.gen(function* () {
        const { a, b, client } = yield* setup
        const seen: Array<SseEvent> = []
        let response = yield* client.call(a, 1, "count", { to: total })
        for (const { onA, read } of cuts) {
          seen.push(...(yield* readSome(response, read)))
          response = yield* client.listen(onA ? a : b, lastId(seen))
        }
        seen.push(...(yield* readAll(response)))
        const numbers = Array.from({ length: total }, (_, index) => String(index + 1))
        assert.deepStrictEqual(sayings(seen), [...numbers, content("counted")])
        assert.strictEqual(new Set(seen.map(({ id }) => id)).size, total + 2)
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 15 } }
  )

  it.effect("the handler goes on without its client, who follows it live on another replica", () =>
    Effect.gen(function* () {
      const { a, b, client, signals } = yield* setup
      const before = yield* readSome(yield* client.call(a, 1, "steps"), 2)
      assert.deepStrictEqual(sayings(before), ["first"])
      const stream = yield* reading(yield* client.listen(b, lastId(before)))
      yield* Queue.offer(signals.go, undefined)
      assert.strictEqual(saying(yield* stream.message), "second")
      assert.deepStrictEqual(saying(yield* stream.message), content("done"))
      yield* stream.ended
      assert.strictEqual(yield* Queue.size(signals.aborted), 0)
    })
  )

  it.effect("who resumes a stream takes it from whoever reads it", () =>
    Effect.gen(function* () {
      const { a, b, client, signals } = yield* setup
      const first = yield* reading(yield* client.call(a, 1, "steps"))
      const { id } = yield* first.next
      yield* first.next
      const second = yield* reading(yield* client.listen(b, id))
      yield* first.ended
      assert.strictEqual(saying(yield* second.message), "first")
      const third = yield* reading(yield* client.listen(a, id))
      yield* second.ended
      yield* Queue.offer(signals.go, undefined)
      for (const expected of ["first", "second", content("done")]) {
        assert.deepStrictEqual(saying(yield* third.message), expected)
      }
      yield* third.ended
    })
  )

  it.effect("a handler may send its client away, to come back for the rest", () =>
    Effect.gen(function* () {
      const { a, b, client, signals } = yield* setup
      const before = yield* readAll(yield* client.call(a, 1, "reconnect"))
      assert.deepStrictEqual(sayings(before), ["before"])
      yield* Queue.offer(signals.go, undefined)
      const after = yield* readAll(yield* client.listen(b, lastId(before)))
      assert.deepStrictEqual(sayings(after), [content("after")])
      // Who has seen the end hears nothing more.
      assert.deepStrictEqual(yield* readAll(yield* client.listen(a, lastId(after))), [])
    })
  )

  it.effect("clients of older revisions get no event without data, and resume all the same", () =>
    Effect.gen(function* () {
      const { a, b, principal } = yield* setup
      const client = yield* connect(a, principal, "2025-06-18")
      const before = yield* readSome(yield* client.call(a, 1, "count", { to: 3 }), 1)
      assert.deepStrictEqual(sayings(before), ["1"])
      const after = yield* readAll(yield* client.listen(b, lastId(before)))
      assert.deepStrictEqual(sayings([...before, ...after]), ["1", "2", "3", content("counted")])
    })
  )

  it.effect("a client that reads too slowly is cut off after what fits, by number and by size", () =>
    Effect.gen(function* () {
      for (const [text, fitting] of [
        ["x", 256],
        ["x".repeat(1024 * 1024), 4],
        ["x".repeat(5 * 1024 * 1024), 1]
      ] as const) {
        const outlet = yield* makeOutlet
        const written = Array.from({ length: 300 }, () => outlet.write(text)).filter((fits) => fits)
        assert.strictEqual(written.length, fitting)
        assert.strictEqual(yield* Stream.runCount(outlet.frames), fitting)
      }
    })
  )

  it.effect("when a replica stops, its clients hear so on another, and their session goes on", () =>
    Effect.gen(function* () {
      const { a, b, client } = yield* setup
      const before = yield* readSome(yield* client.call(a, 1, "steps"), 2)
      const stream = yield* reading(yield* client.listen(b, lastId(before)))
      yield* a.stop
      const farewell = yield* stream.message
      assert.deepStrictEqual([farewell.id, saying(farewell)], [1, -32000])
      yield* stream.ended
      assert.strictEqual((yield* client.call(b, 2, "who")).status, 200)
    })
  )

  it.effect("a handler that says nothing for long gets a stream, which is resumed like any other", () =>
    Effect.gen(function* () {
      const { a, b, client, signals } = yield* setup
      const call = yield* Effect.forkChild(client.call(a, 1, "wait"))
      yield* Queue.take(signals.started)
      yield* TestClock.adjust("5 seconds")
      const before = yield* readSome(yield* Fiber.join(call), 1)
      assert.deepInclude(before[0], { data: "" })
      const stream = yield* reading(yield* client.listen(b, lastId(before)))
      yield* TestClock.adjust("10 minutes")
      yield* Queue.offer(signals.go, undefined)
      assert.deepStrictEqual(saying(yield* stream.message), content("waited"))
      yield* stream.ended
    }).pipe(Effect.provide(TestClock.layer()))
  )

  it.effect("a stream whose replica died without a word ends after a while", () =>
    Effect.gen(function* () {
      const { client, b, principal } = yield* setup
      const sessions = yield* McpSessionRepository
      const streamId = "0192f0c1-0000-4000-8000-000000000001"
      const events = [
        { streamId, seq: 0, last: false },
        { streamId, seq: 1, last: false, message: '{"params":{"data":"last words"}}' }
      ]
      const expiresAt = DateTime.add(yield* DateTime.now, { hours: 1 })
      yield* sessions.append(principal.tenantId, McpSessionId.make(client.session), events, expiresAt)
      const stream = yield* reading(yield* client.listen(b, `${streamId}.0`))
      assert.strictEqual(saying(yield* stream.message), "last words")
      // The database answers in its own time, and only then does the reader begin to wait.
      const timePasses = Effect.andThen(TestClock.adjust("15 seconds"), sessions.sweep(DateTime.makeUnsafe(0)))
      yield* Effect.raceFirst(stream.ended, Effect.forever(timePasses))
    }).pipe(Effect.provide(TestClock.layer()))
  )

  it.effect("who resumes the stream of changes hears that everything may have changed", () =>
    Effect.gen(function* () {
      const { a, b, client } = yield* setup
      yield* client.post(a, { id: 1, method: "resources/subscribe", params: { uri: "test://one" } })
      const before = yield* readSome(yield* client.listen(a), 1)
      const stream = yield* reading(yield* client.listen(b, lastId(before)))
      yield* stream.next
      const methods = [yield* stream.message, yield* stream.message, yield* stream.message, yield* stream.message]
      assert.deepStrictEqual(
        methods.map(({ method }) => method),
        [
          "notifications/tools/list_changed",
          "notifications/resources/list_changed",
          "notifications/prompts/list_changed",
          "notifications/resources/updated"
        ]
      )
    })
  )

  it.effect("streams that only wait end when the server begins to stop", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const { client, replica } = yield* Effect.gen(function* () {
        const replica = yield* makeReplica(yield* makeSignals)
        return { replica, client: yield* connect(replica, principalOf(yield* freshTenant)) }
      }).pipe(Effect.provideService(Draining, { begun: Deferred.await(begun) }))
      const changes = yield* reading(yield* client.listen(replica))
      yield* changes.next
      const before = yield* readSome(yield* client.call(replica, 1, "steps"), 2)
      const resumed = yield* reading(yield* client.listen(replica, lastId(before)))
      yield* Deferred.succeed(begun, undefined)
      yield* changes.ended
      yield* resumed.ended
    })
  )
})
