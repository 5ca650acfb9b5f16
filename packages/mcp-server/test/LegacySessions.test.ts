import { Changes } from "@devops-mcp/core/changes/Changes"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Queue, Schedule } from "effect"
import { TestClock } from "effect/testing"
import {
  clientOf,
  connect,
  decodeMessage,
  jsonOf,
  makeReplica,
  makeSignals,
  principalOf,
  reading,
  SharedLayer
} from "./LegacyReplica.ts"

const textOf = (answer: unknown) => {
  const { result } = decodeMessage(JSON.stringify(answer))
  return result?.["content"]
}
const content = (text: string) => [{ type: "text", text }]

/** Two replicas and a caller. */
const setup = Effect.gen(function* () {
  const signals = yield* makeSignals
  const [a, b] = [yield* makeReplica(signals), yield* makeReplica(signals)]
  const principal = principalOf(yield* freshTenant)
  return { a, b, principal, signals }
})

layer(SharedLayer, { excludeTestServices: true, timeout: "60 seconds" })("Sessions of the 2025 revisions", (it) => {
  it.effect("a session that began on one replica goes on at another", () =>
    Effect.gen(function* () {
      const { a, b, principal } = yield* setup
      const client = yield* connect(a, principal)
      assert.match(client.session, /^[0-9a-f-]{36}$/)
      for (const replica of [b, a, b]) {
        assert.deepStrictEqual(textOf(jsonOf(yield* client.call(replica, 1, "who"))), content("key-1"))
      }
    })
  )

  it.effect("is not there for another actor, for another tenant and after its end", () =>
    Effect.gen(function* () {
      const { a, b, principal } = yield* setup
      const { session, ...client } = yield* connect(a, principal)
      yield* client.call(b, 1, "who")
      const strangers = [principalOf(principal.tenantId, "key-2"), principalOf(yield* freshTenant)]
      for (const stranger of strangers) {
        const foreign = clientOf(stranger, session)
        for (const attempt of [foreign.call(b, 1, "who"), foreign.listen(b), foreign.end(b)]) {
          const refused = yield* Effect.flip(attempt)
          assert.deepStrictEqual([refused.status, refused.code], [404, -32001])
        }
      }
      assert.strictEqual((yield* client.end(a)).status, 204)
      assert.strictEqual((yield* Effect.flip(client.call(a, 2, "who"))).status, 404)
      // The other one remembers it for a second at most, until it hears of the end.
      const gone = yield* Effect.retry(Effect.flip(client.call(b, 2, "who")), Schedule.spaced("10 millis"))
      assert.strictEqual(gone.status, 404)
      for (const unknown of ["nonsense", "0192f0c1-0000-7000-8000-000000000001"]) {
        assert.strictEqual((yield* Effect.flip(clientOf(principal, unknown).call(a, 1, "who"))).status, 404)
      }
    })
  )

  it.effect("refuses what the transport does not allow", () =>
    Effect.gen(function* () {
      const { a, principal } = yield* setup
      const client = yield* connect(a, principal)
      const ping = { jsonrpc: "2.0", id: 1, method: "ping" }
      const status = (
        ...[method, body, headers]: [method: "POST" | "GET" | "DELETE", unknown, Record<string, string>]
      ) =>
        Effect.match(client.request(a, method, body, headers), {
          onFailure: (refusal) => [refusal.status, refusal.code],
          onSuccess: (response) => [response.status]
        })
      assert.deepStrictEqual(yield* status("POST", ping, { accept: "application/json" }), [406, -32000])
      assert.deepStrictEqual(yield* status("GET", undefined, { accept: "application/json" }), [406, -32000])
      assert.deepStrictEqual(yield* status("POST", ping, { "mcp-protocol-version": "1999-01-01" }), [400, -32000])
      assert.deepStrictEqual(yield* status("POST", { id: 1 }, {}), [400, -32600])
      assert.deepStrictEqual(yield* status("POST", [ping], {}), [400, -32600])
      assert.deepStrictEqual(yield* status("GET", undefined, { "last-event-id": "?" }), [400, -32000])
      const missing = "0192f0c1-0000-4000-8000-000000000001.0"
      assert.deepStrictEqual(yield* status("GET", undefined, { "last-event-id": missing }), [400, -32000])
      assert.deepStrictEqual(yield* status("POST", ping, { accept: "*/*" }), [200])
      const anonymous = clientOf(principal)
      assert.strictEqual((yield* Effect.flip(anonymous.listen(a))).status, 400)
      assert.strictEqual((yield* Effect.flip(anonymous.end(a))).status, 400)
    })
  )

  it.effect("serves requests without a session, each by itself", () =>
    Effect.gen(function* () {
      const { a, principal } = yield* setup
      const client = clientOf(principal)
      assert.deepStrictEqual(textOf(jsonOf(yield* client.call(a, 1, "who"))), content("key-1"))
      const stream = yield* reading(yield* client.call(a, 2, "count", { to: 1 }))
      const said = yield* stream.next
      assert.isUndefined(said.id)
      assert.strictEqual(decodeMessage(said.data).method, "notifications/message")
      assert.strictEqual((yield* stream.message).id, 2)
      yield* stream.ended
    })
  )

  it.effect("answers a batch of 2025-03-26, and refuses one that is too long", () =>
    Effect.gen(function* () {
      const { a, principal } = yield* setup
      const client = yield* connect(a, principal, "2025-03-26")
      const ping = (id: number) => ({ jsonrpc: "2.0", id, method: "ping" })
      const answers = jsonOf(yield* client.request(a, "POST", [ping(1), ping(2)]))
      assert.sameDeepMembers(Array.isArray(answers) ? answers : [], [
        { jsonrpc: "2.0", id: 1, result: {} },
        { jsonrpc: "2.0", id: 2, result: {} }
      ])
      const tooLong = Array.from({ length: 101 }, (_, id) => ping(id))
      assert.strictEqual((yield* Effect.flip(client.request(a, "POST", tooLong))).status, 400)
      const twice = yield* Effect.flip(client.request(a, "POST", [ping(1), ping(1)]))
      assert.strictEqual(twice.code, -32600)
    })
  )

  it.effect("keeps the log level for every replica", () =>
    Effect.gen(function* () {
      const { a, b, principal } = yield* setup
      const client = yield* connect(a, principal)
      yield* client.call(b, 1, "who")
      const set = yield* client.post(a, { id: 2, method: "logging/setLevel", params: { level: "error" } })
      assert.deepStrictEqual(decodeMessage(JSON.stringify(jsonOf(set))).result, {})
      // Below the level nothing is said, so the answer is all there is.
      for (const replica of [a, b]) {
        assert.deepStrictEqual(textOf(jsonOf(yield* client.call(replica, 3, "count", { to: 2 }))), content("counted"))
      }
    })
  )

  it.effect("an answer that another replica gets reaches the handler that asked", () =>
    Effect.gen(function* () {
      const { a, b, principal } = yield* setup
      const client = yield* connect(b, principal)
      const stream = yield* reading(yield* client.call(a, 1, "ask"))
      assert.deepInclude(yield* stream.next, { data: "", retry: "1000" })
      const question = yield* stream.message
      assert.strictEqual(question.method, "elicitation/create")
      const answer = { id: question.id, result: { action: "accept", content: { which: "this" } } }
      const stranger = yield* connect(b, principalOf(principal.tenantId, "key-2"))
      yield* stranger.post(b, { ...answer, result: { action: "cancel" } })
      assert.strictEqual((yield* client.post(b, answer)).status, 202)
      const { id, result } = yield* stream.message
      assert.deepStrictEqual([id, result?.["content"]], [1, content("accept this")])
      yield* stream.ended
    })
  )

  it.effect("a cancellation reaches the handler wherever it runs", () =>
    Effect.gen(function* () {
      const { a, b, principal, signals } = yield* setup
      const client = yield* connect(a, principal)
      const call = yield* Effect.forkChild(client.call(a, "slow", "hang"))
      assert.strictEqual(yield* Queue.take(signals.started), "hang")
      yield* client.post(b, { method: "notifications/cancelled", params: { requestId: "slow" } })
      assert.strictEqual(yield* Queue.take(signals.aborted), "hang")
      const stream = yield* reading(yield* Fiber.join(call))
      yield* stream.ended
    })
  )

  it.effect("a client that goes away before it has heard anything cancels", () =>
    Effect.gen(function* () {
      const { a, principal, signals } = yield* setup
      const client = yield* connect(a, principal)
      const call = yield* Effect.forkChild(client.call(a, 1, "hang"))
      yield* Queue.take(signals.started)
      yield* Fiber.interrupt(call)
      assert.strictEqual(yield* Queue.take(signals.aborted), "hang")
    })
  )

  it.effect("bounds the requests of one session that run at a time", () =>
    Effect.gen(function* () {
      const { a, principal, signals } = yield* setup
      const client = yield* connect(a, principal)
      for (let id = 0; id < 64; id++) {
        yield* Effect.forkChild(client.call(a, id, "hang"))
        yield* Queue.take(signals.started)
      }
      assert.strictEqual((yield* Effect.flip(client.call(a, 64, "who"))).status, 429)
    })
  )

  it.effect("tells of changes, and of resources only what the session subscribed to on any replica", () =>
    Effect.gen(function* () {
      const { a, b, principal } = yield* setup
      const changes = yield* Changes
      const client = yield* connect(a, principal)
      const stream = yield* reading(yield* client.listen(a))
      assert.deepInclude(yield* stream.next, { data: "", retry: "1000" })
      const { tenantId } = principal
      yield* changes.announce({ _tag: "ToolsChanged", tenantId: yield* freshTenant })
      yield* changes.announce({ _tag: "ResourceUpdated", tenantId, uri: "test://one" })
      yield* changes.announce({ _tag: "ToolsChanged", tenantId })
      assert.strictEqual((yield* stream.message).method, "notifications/tools/list_changed")
      yield* client.post(a, { id: 1, method: "resources/subscribe", params: { uri: "test://one" } })
      yield* changes.announce({ _tag: "ResourceUpdated", tenantId, uri: "test://one" })
      const updated = yield* stream.message
      assert.deepStrictEqual(
        [updated.method, updated.params],
        ["notifications/resources/updated", { uri: "test://one" }]
      )
      yield* client.post(a, { id: 2, method: "resources/unsubscribe", params: { uri: "test://one" } })
      yield* changes.announce({ _tag: "ResourceUpdated", tenantId, uri: "test://one" })
      yield* changes.announce({ _tag: "PromptsChanged", tenantId })
      assert.strictEqual((yield* stream.message).method, "notifications/prompts/list_changed")
      // A second stream takes the place of the first; the end of the session ends both.
      const second = yield* reading(yield* client.listen(b))
      yield* second.next
      yield* stream.ended
      yield* client.end(a)
      yield* second.ended
    })
  )

  it.effect("ends after a day without use", () =>
    Effect.gen(function* () {
      const { a, principal } = yield* setup
      const client = yield* connect(a, principal)
      yield* TestClock.adjust("23 hours")
      yield* client.call(a, 1, "who")
      yield* TestClock.adjust("23 hours")
      yield* client.call(a, 2, "who")
      yield* TestClock.adjust("24 hours")
      assert.strictEqual((yield* Effect.flip(client.call(a, 3, "who"))).status, 404)
    }).pipe(Effect.provide(TestClock.layer()))
  )
})
