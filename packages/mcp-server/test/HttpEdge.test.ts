import { assert, layer } from "@effect/vitest"
import { connectHttp } from "@devops-mcp/testing/McpClients"
import { Effect, Fiber, Queue } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { request as nodeRequest } from "node:http"
import { contexts, keyOf, Observed, storeDown } from "./Fakes.ts"
import { Address, bodyLimit, TestServer } from "./TestServer.ts"

const list = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }

const post = Effect.fnUntraced(function* (headers: Record<string, string>, body: unknown = list) {
  const { url } = yield* Address
  const request = HttpClientRequest.post(url).pipe(
    HttpClientRequest.setHeaders({ accept: "application/json, text/event-stream", ...headers }),
    HttpClientRequest.bodyJsonUnsafe(body)
  )
  return yield* HttpClient.execute(request)
})

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
const viewer = bearer(keyOf("viewer"))

/** Status of a request with a `Host` of its own, which fetch does not allow. */
const statusFor = (host: string) =>
  Effect.flatMap(Address, ({ url }) =>
    Effect.callback<number | undefined>((resume) => {
      const request = nodeRequest(url, { method: "POST", headers: { ...viewer, host } }, (response) => {
        response.resume()
        resume(Effect.succeed(response.statusCode))
      })
      request.end()
    })
  )

layer(TestServer, { excludeTestServices: true })("the edge of /mcp", (it) => {
  it.effect("asks for a credential, and says how", () =>
    Effect.gen(function* () {
      const none = yield* post({})
      assert.strictEqual(none.status, 401)
      const challenge = none.headers["www-authenticate"]
      assert.match(challenge ?? "", /^Bearer .*resource_metadata="http.*\/\.well-known\/oauth-protected-resource\/mcp"/)
      assert.notInclude(challenge, "error=")
      const wrong = yield* post(bearer("dmk_wrong"))
      assert.strictEqual(wrong.status, 401)
      assert.include(wrong.headers["www-authenticate"], 'error="invalid_token"')
      assert.notInclude(yield* wrong.text, "dmk_wrong")
    })
  )

  it.effect("takes the key as X-API-Key too", () =>
    Effect.gen(function* () {
      const response = yield* post({ "x-api-key": keyOf("viewer") })
      assert.strictEqual(response.status, 200)
    })
  )

  it.effect("is unavailable while callers cannot be looked up", () =>
    Effect.gen(function* () {
      const response = yield* post(bearer(storeDown))
      assert.strictEqual(response.status, 503)
      assert.strictEqual(response.headers["retry-after"], "1")
    })
  )

  it.effect("refuses bodies over the limit", () =>
    Effect.gen(function* () {
      const response = yield* post(viewer, { ...list, params: { padding: "x".repeat(bodyLimit) } })
      assert.strictEqual(response.status, 413)
    })
  )

  it.effect("refuses what is not JSON", () =>
    Effect.gen(function* () {
      const { url } = yield* Address
      const broken = HttpClientRequest.post(url).pipe(
        HttpClientRequest.setHeaders({ ...viewer, accept: "application/json, text/event-stream" }),
        HttpClientRequest.bodyText('{"jsonrpc":', "application/json")
      )
      const response = yield* HttpClient.execute(broken)
      assert.strictEqual(response.status, 400)
      assert.include(yield* response.text, "-32700")
      const deep = "[".repeat(500) + "]".repeat(500)
      const nested = yield* HttpClient.execute(HttpClientRequest.bodyText(broken, deep, "application/json"))
      assert.strictEqual(nested.status, 400)
      assert.include(yield* nested.text, "nested deeper")
      const text = yield* HttpClient.execute(HttpClientRequest.bodyText(broken, "hello", "text/plain"))
      assert.strictEqual(text.status, 415)
    })
  )

  it.effect("refuses origins that are neither local nor configured", () =>
    Effect.gen(function* () {
      const statuses = yield* Effect.forEach(
        ["http://localhost:3000", "https://console.example.com", "https://evil.example.com", "null"],
        (origin) => Effect.map(post({ ...viewer, origin }), ({ status }) => status)
      )
      assert.deepStrictEqual(statuses, [200, 200, 403, 403])
    })
  )

  it.effect("refuses names that are not this machine's, because it listens on loopback only", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* statusFor("evil.example.com"), 403)
      assert.strictEqual(yield* statusFor("localhost.evil.example.com"), 403)
      assert.notStrictEqual(yield* statusFor("127.0.0.1"), 403)
    })
  )

  it.effect("has no streams and sessions to get or delete since 2026-07-28, and before only of a session", () =>
    Effect.gen(function* () {
      const { url } = yield* Address
      const statuses = (headers: Record<string, string>) =>
        Effect.forEach([HttpClientRequest.get(url), HttpClientRequest.delete(url)], (request) =>
          Effect.map(
            HttpClient.execute(HttpClientRequest.setHeaders(request, { ...viewer, ...headers })),
            ({ status }) => status
          )
        )
      assert.deepStrictEqual(yield* statuses({ "mcp-protocol-version": "2026-07-28" }), [405, 405])
      assert.deepStrictEqual(yield* statuses({}), [400, 400])
      assert.deepStrictEqual(yield* statuses({ "mcp-session-id": "0192f0c1-0000-7000-8000-0000000000ff" }), [404, 404])
    })
  )

  for (const client of ["SDK 2 auto", "SDK 2 pinned to 2026-07-28"] as const) {
    it.effect(`interrupts a call that ${client} aborts, and has it on record`, () =>
      Effect.gen(function* () {
        const { acts, hanging, interrupted } = yield* Observed
        const peer = yield* connectHttp(client, (yield* Address).url, keyOf("viewer"))
        const call = yield* Effect.forkChild(peer.callTool("context_get", { contextId: contexts.hangingContext }))
        yield* Queue.take(hanging)
        yield* Fiber.interrupt(call)
        yield* Queue.take(interrupted)
        const { outcome } = yield* Queue.take(acts).pipe(
          Effect.repeat({ until: ({ action }) => action === "mcp.context_get" })
        )
        assert.strictEqual(outcome, "failed")
      })
    )
  }

  it.effect("has lists and sessions on record, and not the ids of the latter", () =>
    Effect.gen(function* () {
      const { acts } = yield* Observed
      yield* Queue.clear(acts)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const older = yield* connectHttp("SDK 1", (yield* Address).url, keyOf("viewer"))
          yield* older.listTools
          const newer = yield* connectHttp("SDK 2 pinned to 2026-07-28", (yield* Address).url, keyOf("viewer"))
          yield* newer.listTools
        })
      )
      const recorded = (yield* Queue.takeAll(acts)).map(({ action, target = "" }) => `${action} ${target}`.trim())
      assert.includeMembers(recorded, ["mcp.initialize", "mcp.tools/list", "mcp.server/discover"])
      assert.notMatch(recorded.join(), /[0-9a-f]{8}-/)
    })
  )

  it.effect("interrupts a call of an older revision whose client disconnects", () =>
    Effect.gen(function* () {
      const { hanging, interrupted } = yield* Observed
      const params = { name: "context_get", arguments: { contextId: contexts.hangingContext } }
      const call = yield* Effect.forkChild(
        Effect.flatMap(post(viewer, { ...list, method: "tools/call", params }), (response) => response.text)
      )
      yield* Queue.take(hanging)
      yield* Fiber.interrupt(call)
      yield* Queue.take(interrupted)
    })
  )
})
