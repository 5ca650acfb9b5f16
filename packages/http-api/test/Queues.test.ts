import { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { deadLetter, decisions } from "./DeadLetterFakes.ts"
import { absentId, Acts } from "./Fakes.ts"
import { send, TestServer } from "./TestServer.ts"

const key = "operator"
const letters = "/api/v1/queues/deliveries/dead-letters"
const shown = Schema.encodeSync(Schema.toCodecJson(DeadLetter))(deadLetter)

layer(TestServer, { excludeTestServices: true })("the queues", (it) => {
  it.effect("are listed with what waits in them", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* send("GET", "/api/v1/queues", { key })).json, {
        items: [{ name: "deliveries", depth: 2, inFlight: 1, deadLetters: 1, oldestAgeSeconds: 0.5 }],
        nextCursor: null
      })
    })
  )

  it.effect("show their dead letters: a page of them, or one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* send("GET", `${letters}?limit=5`, { key })).json, {
        items: [shown],
        nextCursor: null
      })
      assert.deepStrictEqual((yield* send("GET", `${letters}?discarded=true`, { key })).json, {
        items: [],
        nextCursor: null
      })
      assert.containSubset((yield* send("GET", `${letters}?discarded=false`, { key })).json, { items: [shown] })
      assert.deepStrictEqual((yield* send("GET", `${letters}/${deadLetter.id}`, { key })).json, shown)
      for (const query of ["limit=0", "limit=201", "cursor=x", "discarded=perhaps"]) {
        assert.strictEqual((yield* send("GET", `${letters}?${query}`, { key })).status, 400, query)
      }
    })
  )

  it.effect("have nothing under the name of no queue, nor under the id of no letter of theirs", () =>
    Effect.gen(function* () {
      for (const path of [
        "/api/v1/queues/others/dead-letters",
        `/api/v1/queues/others/dead-letters/${deadLetter.id}`,
        `/api/v1/queues/tasks/dead-letters/${deadLetter.id}`,
        `${letters}/${absentId}`,
        `${letters}/x`
      ]) {
        const { headers, status } = yield* send("GET", path, { key })
        assert.deepStrictEqual([status, headers["content-type"]], [404, "application/problem+json"], path)
      }
      for (const what of ["redrive", "discard"]) {
        const path = `/api/v1/queues/others/dead-letters/${what}`
        assert.strictEqual((yield* send("POST", path, { key, json: { reason: "r" } })).status, 404, path)
      }
    })
  )

  it.effect("take back the letters that are named, or all without ids and without a body", () =>
    Effect.gen(function* () {
      decisions.length = 0
      const ids = [deadLetter.id, absentId]
      assert.deepStrictEqual((yield* send("POST", `${letters}/redrive`, { key, json: { ids } })).json, { redriven: 2 })
      assert.deepStrictEqual((yield* send("POST", `${letters}/redrive`, { key, json: {} })).json, { redriven: 1 })
      assert.deepStrictEqual((yield* send("POST", `${letters}/redrive`, { key })).json, { redriven: 1 })
      const all = yield* send("POST", `${letters}/redrive`, { key, json: { all: true } })
      assert.deepStrictEqual(all.json, { redriven: 1 })
      assert.deepStrictEqual(decisions, [
        ["deliveries", ids],
        ["deliveries", undefined],
        ["deliveries", undefined],
        ["deliveries", undefined]
      ])
      const both = yield* send("POST", `${letters}/redrive`, { key, json: { ids, all: true } })
      assert.deepStrictEqual([both.status, decisions.length], [400, 4])
      assert.include(both.text, "either ids or all, not both")
    })
  )

  it.effect("let letters be discarded with a reason, and not without one", () =>
    Effect.gen(function* () {
      decisions.length = 0
      const json = { ids: [deadLetter.id], reason: "Obsolete" }
      assert.deepStrictEqual((yield* send("POST", `${letters}/discard`, { key, json })).json, { discarded: 1 })
      assert.deepStrictEqual(decisions, [["deliveries", "Obsolete", json.ids]])
      for (const wrong of [{}, { reason: "" }, { reason: "  " }, { reason: "r".repeat(501) }, undefined]) {
        const answer = yield* send("POST", `${letters}/discard`, { key, json: wrong })
        assert.strictEqual(answer.status, 400, JSON.stringify(wrong))
      }
      assert.lengthOf(decisions, 1)
    })
  )

  it.effect("let all letters be discarded only when that is said", () =>
    Effect.gen(function* () {
      decisions.length = 0
      const reason = "Obsolete"
      const ids = [deadLetter.id]
      for (const json of [{ reason }, { reason, all: false }, { reason, all: true, ids }, { reason, all: "yes" }]) {
        const answer = yield* send("POST", `${letters}/discard`, { key, json })
        assert.deepStrictEqual([answer.status, decisions.length], [400, 0], answer.text)
        if (json.all !== "yes") assert.include(answer.text, "either ids, or all: true")
      }
      const all = yield* send("POST", `${letters}/discard`, { key, json: { reason, all: true } })
      assert.deepStrictEqual(all.json, { discarded: 1 })
      yield* send("POST", `${letters}/discard`, { key, json: { reason, all: false, ids } })
      assert.deepStrictEqual(decisions, [
        ["deliveries", reason, undefined],
        ["deliveries", reason, ids]
      ])
    })
  )

  it.effect("refuse ids that are none, that are repeated, none at all, and more than 200", () =>
    Effect.gen(function* () {
      decisions.length = 0
      const many = Array.from({ length: 201 }, (_, n) => `01980000-0000-7000-8000-${String(n).padStart(12, "0")}`)
      for (const ids of [["x"], [absentId, absentId], [], many, "all"]) {
        for (const what of ["redrive", "discard"]) {
          const { status, text } = yield* send("POST", `${letters}/${what}`, { key, json: { ids, reason: "r" } })
          assert.strictEqual(status, 400, text)
        }
      }
      assert.deepStrictEqual(decisions, [])
    })
  )

  it.effect("are put on record with what was meant, and repeat no decision with the same Idempotency-Key", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      decisions.length = 0
      yield* send("GET", `${letters}/${deadLetter.id}`, { key })
      const repeatable = { key, headers: { "idempotency-key": "once" } }
      for (const replayed of [undefined, "true"]) {
        const { headers, json } = yield* send("POST", `${letters}/redrive`, repeatable)
        assert.deepStrictEqual([headers["idempotency-replayed"], json], [replayed, { redriven: 1 }])
      }
      assert.lengthOf(decisions, 1)
      yield* send("POST", `${letters}/discard`, { key: "agent", json: { reason: "r" } })
      assert.deepStrictEqual(
        acts.map(({ action, changes, outcome, target }) => [action, target, outcome, changes]),
        [
          ["queues.deadLetter", `deliveries/${deadLetter.id}`, "ok", false],
          ["queues.redrive", "deliveries", "ok", true],
          ["queues.redrive", "deliveries", "ok", true],
          ["queues.discard", "deliveries", "denied", false]
        ]
      )
      assert.lengthOf(decisions, 1)
    })
  )

  it.effect("say in the OpenAPI document that the body of a redrive may be left out", () =>
    Effect.gen(function* () {
      const body = (required: boolean) => ({ post: { requestBody: { required } } })
      assert.containSubset((yield* send("GET", "/openapi.json")).json, {
        paths: {
          "/api/v1/queues/{name}/dead-letters/redrive": body(false),
          "/api/v1/queues/{name}/dead-letters/discard": body(true)
        }
      })
    })
  )
})
