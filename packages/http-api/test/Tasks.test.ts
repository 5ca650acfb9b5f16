import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { absentId, taskId } from "./Fakes.ts"
import { send, TestServer } from "./TestServer.ts"

const shown = {
  id: taskId,
  kind: "tool_action",
  status: "working",
  progress: { progress: 1, total: 2 },
  createdAt: "2026-01-02T03:04:05.000Z",
  updatedAt: "2026-01-02T03:04:05.000Z",
  expiresAt: "2026-01-03T03:04:05.000Z"
}

layer(TestServer, { excludeTestServices: true })("the caller's tasks", (it) => {
  it.effect("are listed, read and cancelled", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* send("GET", "/api/v1/tasks", { key: "admin" })).json, {
        items: [shown],
        nextCursor: null
      })
      assert.deepStrictEqual((yield* send("GET", `/api/v1/tasks/${taskId}`, { key: "admin" })).json, shown)
      const cancelled = yield* send("POST", `/api/v1/tasks/${taskId}/cancel`, { key: "admin" })
      assert.deepStrictEqual([cancelled.status, cancelled.json], [200, { ...shown, status: "cancelled" }])
    })
  )

  it.effect("are not other callers' to see or to cancel", () =>
    Effect.gen(function* () {
      const statusOf = (method: "GET" | "POST", path: string, key: string) =>
        Effect.map(send(method, `/api/v1/tasks${path}`, { key }), ({ status }) => status)
      assert.strictEqual(yield* statusOf("GET", `/${taskId}`, "viewer"), 404)
      assert.strictEqual(yield* statusOf("POST", `/${taskId}/cancel`, "viewer"), 404)
      assert.strictEqual(yield* statusOf("POST", `/${taskId}/cancel`, "agent"), 404)
      assert.strictEqual(yield* statusOf("GET", `/${absentId}`, "admin"), 404)
      assert.strictEqual(yield* statusOf("GET", "/none-of-ours", "admin"), 404)
      assert.strictEqual(yield* statusOf("GET", "?limit=0", "admin"), 400)
      assert.strictEqual(yield* statusOf("GET", "?cursor=x", "admin"), 400)
    })
  )
})
