import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { contextId } from "./Fakes.ts"
import { logged, send, TestServer } from "./TestServer.ts"

const context = `/api/v1/contexts/${contextId}`

layer(TestServer, { excludeTestServices: true })("Problems", (it) => {
  it.effect("GET and PATCH carry the version as ETag", () =>
    Effect.gen(function* () {
      const read = yield* send("GET", context, { key: "viewer" })
      assert.strictEqual(read.headers["etag"], '"3"')
      const changed = yield* send("PATCH", context, { key: "agent", json: { name: "second" } })
      assert.strictEqual(changed.status, 200)
      assert.strictEqual(changed.headers["etag"], '"4"')
      assert.containSubset(changed.json, { name: "second", version: 4 })
    })
  )

  it.effect.each([
    ['"3"', 200],
    ['W/"3"', 200],
    ["*", 200],
    [' "3" ', 200],
    ['"2"', 412],
    ['W/"2"', 412],
    ['"abc"', 412],
    ['""', 412],
    ['"99999999999999999999"', 412],
    ["3", 400],
    ['"3', 400],
    ['"2", "3"', 400],
    ["x".repeat(101), 400]
  ] as const)("If-Match: %s answers %d", ([tag, expected]) =>
    Effect.gen(function* () {
      const { headers, json, status } = yield* send("PATCH", context, {
        key: "agent",
        json: { name: "second" },
        headers: { "if-match": tag }
      })
      assert.strictEqual(status, expected)
      if (expected === 412) assert.containSubset(json, { code: "stale-version" })
      if (expected === 400) assert.strictEqual(Object(json).errors[0].pointer, "/headers/if-match")
      if (expected !== 200) assert.strictEqual(headers["content-type"], "application/problem+json")
    })
  )

  it.effect("input that is well formed but not acceptable is a 422 with a pointer into the body", () =>
    Effect.gen(function* () {
      const { json, status } = yield* send("POST", `${context}/compact`, { key: "agent", json: { maxTokens: 1 } })
      assert.strictEqual(status, 422)
      assert.containSubset(json, {
        code: "invalid-input",
        errors: [{ pointer: "/body/maxTokens", detail: "The budget must be larger" }]
      })
    })
  )

  it.effect("a destructive action is a 428 with what it would do and the token that goes back", () =>
    Effect.gen(function* () {
      const run = (json: Readonly<Record<string, unknown>>) =>
        send("POST", "/api/v1/tools/git/actions/remove", { key: "operator", json })
      const asked = yield* run({ arguments: { name: "x" } })
      assert.strictEqual(asked.status, 428)
      assert.strictEqual(asked.headers["content-type"], "application/problem+json")
      assert.containSubset(asked.json, {
        type: "urn:devops-mcp:problem:confirmation-required",
        status: 428,
        code: "confirmation-required",
        preview: {
          tool: "git",
          action: "remove",
          title: "Remove",
          description: "Removes it",
          arguments: { name: "x" }
        },
        confirmationToken: "good",
        expiresAt: "2026-01-02T03:04:05.000Z"
      })
      const confirmed = yield* run({ arguments: { name: "x" }, confirmationToken: "good" })
      assert.deepStrictEqual(confirmed.json, { result: { removed: "x" }, isError: false, durationMs: 1 })
      const refused = yield* run({ confirmationToken: "bad" })
      assert.strictEqual(refused.status, 422)
      assert.containSubset(refused.json, { errors: [{ pointer: "/body/confirmationToken", detail: "Not good" }] })
      assert.strictEqual((yield* run({ confirmationToken: "outage" })).status, 503)
      assert.strictEqual((yield* run({ confirmationToken: "" })).status, 400)
    })
  )

  it.effect("a name that is taken is a 409", () =>
    Effect.gen(function* () {
      const { json, status } = yield* send("POST", "/api/v1/tools", {
        key: "admin",
        json: { name: "git", kind: "git" }
      })
      assert.strictEqual(status, 409)
      assert.containSubset(json, { code: "conflict", detail: "The name is taken" })
    })
  )

  it.effect("a model that is busy is a 503 that passes on how long to wait", () =>
    Effect.gen(function* () {
      const { headers, json, status } = yield* send("POST", `${context}/search`, {
        key: "viewer",
        json: { query: "q" }
      })
      assert.strictEqual(status, 503)
      assert.strictEqual(headers["retry-after"], "3")
      assert.containSubset(json, { code: "unavailable" })
    })
  )

  it.effect("a store that will not recover is a 500 without internals, logged once with its cause", () =>
    Effect.gen(function* () {
      logged.length = 0
      const { headers, json, status, text } = yield* send("POST", "/api/v1/contexts", {
        key: "agent",
        json: { name: "n" }
      })
      assert.strictEqual(status, 500)
      assert.containSubset(json, { code: "internal-error", requestId: headers["x-request-id"] })
      assert.notInclude(text, "disk on fire")
      const lines = logged.filter((line) => line.includes("disk on fire"))
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], headers["x-request-id"])
    })
  )

  it.effect("a defect is a 500 without internals, logged once with its cause and request id", () =>
    Effect.gen(function* () {
      logged.length = 0
      const { json, status, text } = yield* send("DELETE", context, {
        key: "agent",
        headers: { "x-request-id": "mine" }
      })
      assert.strictEqual(status, 500)
      assert.containSubset(json, { code: "internal-error", requestId: "mine" })
      assert.notInclude(text, "secret internals")
      const lines = logged.filter((line) => line.includes("secret internals"))
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], '"requestId":"mine"')
    })
  )

  it.effect("a tool that does not answer is an answer about its health", () =>
    Effect.gen(function* () {
      const { json, status } = yield* send("GET", "/api/v1/tools/git/health", { key: "viewer" })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(json, { status: "failing", detail: "No answer" })
    })
  )

  it.effect.each(["/", "/api", "/api/v1/nothing", "/api/v1/contexts/a/b/c", "/%00", "/%E0%A4%A"])(
    "%s is a 404 problem",
    (path) =>
      Effect.gen(function* () {
        const { headers, json, status } = yield* send("GET", path, { key: "admin" })
        assert.strictEqual(status, 404)
        assert.strictEqual(headers["content-type"], "application/problem+json")
        assert.containSubset(json, { code: "not-found", status: 404, requestId: headers["x-request-id"] })
      })
  )

  it.effect.each([
    ["PUT", "/api/v1/contexts", "GET, HEAD, POST"],
    ["POST", context, "DELETE, GET, HEAD, PATCH"],
    ["GET", "/webhooks/x", "POST"],
    ["POST", "/openapi.json", "GET, HEAD"]
  ] as const)("%s %s is a 405 with Allow", ([method, path, allow]) =>
    Effect.gen(function* () {
      const { headers, json, status } = yield* send(method, path, { key: "admin" })
      assert.strictEqual(status, 405)
      assert.strictEqual(headers["allow"], allow)
      assert.containSubset(json, { code: "method-not-allowed" })
    })
  )

  it.effect("the reference loads nothing from elsewhere and may run its own script", () =>
    Effect.gen(function* () {
      const { headers, status, text } = yield* send("GET", "/docs")
      assert.strictEqual(status, 200)
      assert.include(headers["content-security-policy"], "script-src 'unsafe-inline'")
      assert.notMatch(text, /<(?:script|link|img)[^>]+(?:src|href)=/)
    })
  )
})
