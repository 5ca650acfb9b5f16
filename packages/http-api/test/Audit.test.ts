import { verifyExport } from "@devops-mcp/core/audit/AuditExport"
import { assert, layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Acts, apiKeyId, contextId, refusals, tenantId } from "./Fakes.ts"
import { send, TestServer } from "./TestServer.ts"

layer(TestServer, { excludeTestServices: true })("the audit log", (it) => {
  it.effect("is listed with filters, for those who may read it", () =>
    Effect.gen(function* () {
      const { json, status } = yield* send("GET", `/api/v1/audit?actor=${apiKeyId}&outcome=ok`, { key: "admin" })
      assert.strictEqual(status, 200)
      assert.containSubset(json, {
        items: [
          { seq: 1, tenantId, actor: apiKeyId, action: "contexts.create", recordedAt: "2026-01-02T03:04:05.000Z" }
        ],
        nextCursor: null
      })
      assert.containSubset((yield* send("GET", "/api/v1/audit?actor=other", { key: "admin" })).json, { items: [] })
      for (const query of ["outcome=perhaps", "since=yesterday", "limit=0", "cursor=x"]) {
        assert.strictEqual((yield* send("GET", `/api/v1/audit?${query}`, { key: "admin" })).status, 400, query)
      }
      for (const path of ["", "/verify", "/export"]) {
        assert.strictEqual((yield* send("GET", `/api/v1/audit${path}`, { key: "operator" })).status, 403, path)
      }
    })
  )

  it.effect("is verified", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* send("GET", "/api/v1/audit/verify", { key: "admin" })).json, {
        valid: false,
        checked: 1,
        firstBroken: { seq: 2, reason: "missing" }
      })
    })
  )

  it.effect("is exported as JSON lines that tell what is wrong with them", () =>
    Effect.gen(function* () {
      const { headers, text } = yield* send("GET", "/api/v1/audit/export", { key: "admin" })
      assert.strictEqual(headers["content-type"], "application/x-ndjson")
      const lines = text.trimEnd().split("\n")
      assert.strictEqual(lines.length, 3)
      const { firstBroken } = yield* verifyExport(Stream.fromIterable(lines))
      assert.strictEqual(firstBroken?.reason, "changed")
    })
  )

  it.effect("has of each act whether it may have changed something: not what reads, searches or was refused", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      yield* send("GET", `/api/v1/contexts/${contextId}`, { key: "agent" })
      yield* send("PATCH", `/api/v1/contexts/${contextId}`, { key: "agent", json: { name: "n" } })
      yield* send("POST", `/api/v1/contexts/${contextId}/search`, { key: "agent", json: { query: "q" } })
      yield* send("POST", "/api/v1/contexts", { key: "viewer", json: {} })
      yield* send("POST", "/api/v1/contexts", { key: "agent", json: { name: 1 } })
      yield* send("DELETE", `/api/v1/contexts/${contextId}`, { key: "agent" })
      assert.deepStrictEqual(
        acts.map(({ action, changes, outcome }) => [action, outcome, changes]),
        [
          ["contexts.get", "ok", false],
          ["contexts.update", "ok", true],
          ["contexts.search", "failed", false],
          ["contexts.create", "denied", false],
          ["contexts.create", "failed", false],
          // It died on the way: nobody knows what it had done by then.
          ["contexts.delete", "failed", true]
        ]
      )
    })
  )

  it.effect("hears of a credential that is no good, as no tenant's act", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      refusals.length = 0
      yield* send("GET", "/api/v1/me", { key: "nobody" })
      assert.deepStrictEqual(refusals, [{ reason: "credential" }])
      yield* send("GET", "/api/v1/me")
      assert.lengthOf(refusals, 1)
      assert.lengthOf(acts, 0)
    })
  )
})
