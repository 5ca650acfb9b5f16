import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { contextId } from "./Fakes.ts"
import { send, TestServer } from "./TestServer.ts"

const items = `/api/v1/contexts/${contextId}/items`

const withoutId = (json: unknown) => ({ ...Object(json), requestId: "…" })

layer(TestServer, { excludeTestServices: true })("Validation", (it) => {
  it.effect("points at every fault of a body", () =>
    Effect.gen(function* () {
      const { headers, json, status } = yield* send("POST", items, {
        key: "agent",
        json: { items: [{ role: "robot", content: "x" }, { role: "user", content: 4, pinned: "yes" }, {}] }
      })
      assert.strictEqual(status, 400)
      assert.strictEqual(headers["content-type"], "application/problem+json")
      assert.deepStrictEqual(withoutId(json), {
        type: "urn:devops-mcp:problem:bad-request",
        title: "The request is not valid",
        status: 400,
        detail: '/body/items/0/role: Expected "system" or "user" or "assistant" or "tool" (and 4 more, see errors)',
        code: "invalid-request",
        requestId: "…",
        errors: [
          { pointer: "/body/items/0/role", detail: 'Expected "system" or "user" or "assistant" or "tool"' },
          { pointer: "/body/items/1/content", detail: "Expected string" },
          { pointer: "/body/items/1/pinned", detail: "Expected boolean" },
          { pointer: "/body/items/2/role", detail: "This is missing" },
          { pointer: "/body/items/2/content", detail: "This is missing" }
        ]
      })
    })
  )

  it.effect("never repeats what was sent", () =>
    Effect.gen(function* () {
      const sent = { source: "hunter2-source", name: "", secret: "hunter2-short" }
      const { status, text } = yield* send("POST", "/api/v1/webhooks", { key: "operator", json: sent })
      assert.strictEqual(status, 400)
      assert.notInclude(text, "hunter2")
      assert.include(text, "/body/secret")
    })
  )

  it.effect("bounds how many faults it lists", () =>
    Effect.gen(function* () {
      const many = yield* send("POST", items, {
        key: "agent",
        json: { items: Array.from({ length: 500 }, () => ({})) }
      })
      assert.strictEqual(many.status, 400)
      assert.strictEqual(Object(many.json).errors.length, 20)
    })
  )

  it.effect.each([
    ["limit=0", "/query/limit"],
    ["limit=201", "/query/limit"],
    ["limit=ten", "/query/limit"],
    ["limit=1.5", "/query/limit"],
    ["limit=1&limit=2", "/query/limit"],
    ["limit=", "/query/limit"],
    ["cursor=", "/query/cursor"],
    ["cursor=unknown", "/query/cursor"],
    [`q=${"q".repeat(201)}`, "/query/q"]
  ])("a list refuses ?%s", ([query, pointer]) =>
    Effect.gen(function* () {
      const { json, status } = yield* send("GET", `/api/v1/contexts?${query}`, { key: "viewer" })
      assert.strictEqual(status, 400)
      assert.strictEqual(Object(json).errors[0].pointer, pointer)
    })
  )

  it.effect.each([
    ["source=gitea", "/query/source"],
    ["since=yesterday", "/query/since"],
    ["until=2026-13-01", "/query/until"]
  ])("events refuse the filter ?%s", ([query, pointer]) =>
    Effect.gen(function* () {
      const { json, status } = yield* send("GET", `/api/v1/events?${query}`, { key: "viewer" })
      assert.strictEqual(status, 400)
      assert.strictEqual(Object(json).errors[0].pointer, pointer)
    })
  )

  it.effect("a list takes the limits themselves and ignores what it does not know", () =>
    Effect.gen(function* () {
      for (const query of ["limit=1", "limit=200", "colour=blue"]) {
        assert.strictEqual((yield* send("GET", `/api/v1/contexts?${query}`, { key: "viewer" })).status, 200)
      }
    })
  )

  it.effect.each([
    ['{"name": ', "application/json", 400, "/body"],
    ["", "application/json", 400, "/body"],
    ["[]", "application/json", 400, "/body"],
    ["null", "application/json", 400, "/body"]
  ] as const)("the body %s is refused", ([body, contentType, expected, pointer]) =>
    Effect.gen(function* () {
      const { json, status } = yield* send("POST", "/api/v1/contexts", { key: "agent", body, contentType })
      assert.strictEqual(status, expected)
      assert.strictEqual(Object(json).errors[0].pointer, pointer)
    })
  )

  it.effect.each(["text/plain", "application/x-www-form-urlencoded", "application/xml"])("%s is a 415", (contentType) =>
    Effect.gen(function* () {
      const { headers, json, status } = yield* send("POST", "/api/v1/contexts", {
        key: "agent",
        body: "name=x",
        contentType
      })
      assert.strictEqual(status, 415)
      assert.strictEqual(headers["content-type"], "application/problem+json")
      assert.containSubset(json, { code: "unsupported-media-type" })
    })
  )

  it.effect("a body over MAX_BODY_BYTES is a 413", () =>
    Effect.gen(function* () {
      const body = new Uint8Array(5 * 2 ** 20).fill(32)
      const { json, status } = yield* send("POST", "/api/v1/contexts", { key: "agent", body })
      assert.strictEqual(status, 413)
      assert.containSubset(json, { code: "payload-too-large", detail: "The body may have at most 4194304 bytes" })
    })
  )

  it.effect("a body that is nested absurdly deep is refused before anything walks it", () =>
    Effect.gen(function* () {
      const depth = 100_000
      const body = `{"name":"x","metadata":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`
      const { json, status } = yield* send("POST", "/api/v1/contexts", { key: "agent", body })
      assert.strictEqual(status, 400)
      assert.strictEqual(Object(json).errors[0].pointer, "/body")
    })
  )

  it.effect("an id that cannot be one is not found", () =>
    Effect.gen(function* () {
      const { json, status } = yield* send("GET", "/api/v1/contexts/not-an-id", { key: "viewer" })
      assert.strictEqual(status, 404)
      assert.containSubset(json, { code: "not-found" })
    })
  )
})
