import { rpcPath } from "@devops-mcp/contract/EventsRpc"
import { assert, describe, layer } from "@effect/vitest"
import { Deferred, Effect, Exit } from "effect"
import { HttpServer } from "effect/http"
import { WebSocket } from "ws"
import { Acts, apiKeyId, contextId, tenantId, tokenOf } from "./Fakes.ts"
import { send, type Sent, testServer } from "./TestServer.ts"

const requestId = "asked-by-the-test"

const large = JSON.stringify({ name: "x".repeat(3_000) })

interface Refused extends Sent {
  readonly what: string
  readonly method: Parameters<typeof send>[0]
  readonly path: string
  readonly status: number
  readonly action: string
}

const contexts = { method: "POST", path: "/api/v1/contexts", action: "contexts.create" } as const

const refused: ReadonlyArray<Refused> = [
  { what: "what is not JSON", ...contexts, body: "{", status: 400 },
  { what: "JSON that is nested too deep", ...contexts, body: "[".repeat(500), status: 400 },
  { what: "a body that is not valid", ...contexts, json: { name: 1 }, status: 400 },
  { what: "another type of content", ...contexts, body: "x", contentType: "text/plain", status: 415 },
  { what: "a body that is too large", ...contexts, body: large, status: 413 },
  {
    what: "a query that is not valid",
    method: "GET",
    path: "/api/v1/contexts?limit=0",
    action: "contexts.list",
    status: 400
  },
  {
    what: "an id that is none",
    method: "GET",
    path: "/api/v1/contexts/none",
    action: "contexts.get",
    status: 404
  },
  {
    what: "a version that is none",
    method: "PATCH",
    path: `/api/v1/contexts/${contextId}`,
    headers: { "if-match": "none" },
    json: { name: "n" },
    action: "contexts.update",
    status: 400
  },
  { what: "an unknown address", method: "GET", path: "/api/v1/none", action: "refused.api", status: 404 },
  {
    what: "an unknown address to post to",
    method: "POST",
    path: "/api/none/x",
    json: {},
    action: "refused.api",
    status: 404
  },
  { what: "a method of no use", method: "DELETE", path: "/api/v1/me", action: "refused.api", status: 405 },
  { what: "procedures without a WebSocket", method: "GET", path: rpcPath, action: "refused.rpc", status: 426 },
  { what: "another method of procedures", method: "POST", path: rpcPath, json: {}, action: "refused.api", status: 405 }
]

layer(testServer({ MAX_BODY_BYTES: "2000" }), { excludeTestServices: true })("what is refused", (it) => {
  describe("of a caller who is known", () => {
    it.effect.each(refused)("has one row: $what", ({ action, method, path, status, what: _, ...sent }) =>
      Effect.gen(function* () {
        const acts = yield* Acts
        acts.length = 0
        const headers = { ...sent.headers, "x-request-id": requestId }
        const answer = yield* send(method, path, { ...sent, headers, key: "agent" })
        assert.strictEqual(answer.status, status)
        assert.strictEqual(acts.length, 1, JSON.stringify(acts))
        assert.deepInclude(acts[0], { action, outcome: "failed", changes: false, requestId })
        assert.deepInclude(acts[0]?.principal, { actor: apiKeyId, tenantId })
        if (action.startsWith("refused.")) assert.strictEqual(acts[0]?.target, String(status))
      })
    )
  })

  it.effect("of a stranger has none, and tells a wrong credential from a wrong address", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      for (const [method, path, status] of [
        ["GET", "/api/v1/none", 404],
        ["DELETE", "/api/v1/me", 405],
        ["GET", rpcPath, 401]
      ] as const) {
        const none = yield* send(method, path)
        assert.strictEqual(none.status, status)
        assert.strictEqual(none.headers["www-authenticate"] !== undefined, status === 401)
        const wrong = yield* send(method, path, { key: "nobody" })
        assert.strictEqual(wrong.status, 401)
        assert.strictEqual(wrong.headers["www-authenticate"], "Bearer")
      }
      assert.deepStrictEqual(acts, [])
    })
  )

  describe("of what a connection for procedures is asked", () => {
    const request = (tag: string, payload: unknown = {}, id: number = 1) =>
      JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] })

    const asked = [
      { what: "a call", frames: [request("EventsCursor", null)], rows: ["rpc.EventsCursor ok"] },
      { what: "an unknown procedure", frames: [request("Nothing")], rows: ["rpc.unknown failed"] },
      {
        what: "a call that is not valid",
        frames: [request("EventsFeed", { source: "nobody" })],
        rows: ["rpc.EventsFeed failed"]
      },
      {
        what: "one call too many",
        frames: Array.from({ length: 17 }, (_, id) => request("EventsFeed", {}, id)),
        rows: [...Array.from({ length: 16 }, () => "rpc.EventsFeed ok"), "rpc.EventsFeed failed"]
      },
      { what: "what is no message", frames: ["{"], rows: ["refused.rpc 1003 failed"], closes: true },
      { what: "bytes", frames: [Buffer.from("{}")], rows: ["refused.rpc 1003 failed"], closes: true },
      {
        what: "a message that is too large",
        frames: ["x".repeat(70_000)],
        rows: ["refused.rpc 1009 failed"],
        closes: true
      }
    ]

    it.effect.each(asked)("has a row each: $what", ({ closes = false, frames, rows }) =>
      Effect.gen(function* () {
        const acts = yield* Acts
        acts.length = 0
        const { address } = yield* HttpServer.HttpServer
        const url = HttpServer.formatAddress(address).replace("http", "ws") + rpcPath
        const headers = { authorization: `Bearer ${tokenOf("viewer")}`, "x-request-id": requestId }
        const opened = yield* Deferred.make<void>()
        const over = yield* Deferred.make<void>()
        const socket = yield* Effect.acquireRelease(
          Effect.sync(() => new WebSocket(url, { headers })),
          (open) => Effect.sync(() => open.terminate())
        )
        socket.on("error", () => {})
        socket.on("open", () => Deferred.doneUnsafe(opened, Exit.void))
        socket.on("close", () => Deferred.doneUnsafe(over, Exit.void))
        socket.on("message", () => {
          if (!closes) Deferred.doneUnsafe(over, Exit.void)
        })
        yield* Deferred.await(opened)
        for (const frame of frames) socket.send(frame)
        yield* Deferred.await(over)
        // Another test's connection may end meanwhile.
        const [begun, ...found] = acts.filter(({ action }) => action !== "rpc.websocket_end")
        assert.deepStrictEqual(
          found.map(({ action, outcome, target = "" }) => `${action} ${target} ${outcome}`.replace("  ", " ")),
          rows
        )
        for (const act of found) assert.strictEqual(act.requestId, requestId)
        assert.deepInclude(begun, { action: "rpc.websocket", outcome: "ok", requestId })
      })
    )
  })
})
