import { Api } from "@devops-mcp/contract/Api"
import { Idempotency } from "@devops-mcp/contract/Idempotency"
import { ReplayRows } from "@devops-mcp/testing/RequestReplaysMemory"
import { assert, describe, it, layer } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { HttpApi, OpenApi } from "effect/http-api"
import { Acts, contextId } from "./Fakes.ts"
import { send, TestServer } from "./TestServer.ts"

/** POSTs that change nothing, and deliveries, which have ids of their own to be told apart by. */
const without = new Set(["contexts.search", "search.search", "embeddings.create", "deliveries.receive"])

describe("the contract", () => {
  const posts: Array<{ readonly name: string; readonly path: string; readonly isRepeatable: boolean }> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group }) => {
      if (endpoint.method !== "POST") return
      const name = `${group.identifier}.${endpoint.identifier}`
      const isRepeatable = endpoint.middlewares.has(Idempotency)
      posts.push({ name, path: endpoint.path.replaceAll(/:(\w+)/g, "{$1}"), isRepeatable })
    }
  })

  it("makes every POST repeatable that creates or executes", () => {
    assert.isAbove(posts.length, 8)
    assert.deepStrictEqual(
      posts.filter(({ isRepeatable, name }) => isRepeatable === without.has(name)),
      []
    )
  })

  it("documents the header and what it answers", () => {
    const { paths } = OpenApi.fromApi(Api)
    for (const { isRepeatable, name, path } of posts) {
      const operation = paths[path]?.post
      const parameters = (operation?.parameters ?? []).map((parameter) => parameter.name)
      assert.strictEqual(parameters.includes("Idempotency-Key"), isRepeatable, name)
      const [, success] = Object.entries(operation?.responses ?? {}).find(([status]) => status.startsWith("2")) ?? []
      assert.strictEqual(
        success?.headers !== undefined && "Idempotency-Replayed" in success.headers,
        isRepeatable,
        name
      )
    }
  })
})

let keys = 0
const freshKey = () => `key-${++keys}`

const repeatable = (path: string, key: string, json: unknown, role = "admin") =>
  send("POST", `/api/v1${path}`, { key: role, json, headers: { "idempotency-key": key } })

const webhook = { source: "github", name: "repo" }

layer(TestServer, { excludeTestServices: true })("Idempotency-Key", (it) => {
  it.effect("gives the first answer again, a secret in it included, and each call is an act", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      const key = freshKey()
      const first = yield* repeatable("/webhooks", key, webhook)
      const second = yield* repeatable("/webhooks", key, { name: "repo", source: "github" })
      assert.strictEqual(first.status, 201)
      assert.strictEqual(second.status, 201)
      assert.strictEqual(second.text, first.text)
      assert.strictEqual(second.headers["content-type"], first.headers["content-type"])
      assert.deepStrictEqual(
        [first, second].map(({ headers }) => headers["idempotency-replayed"]),
        [undefined, "true"]
      )
      assert.notStrictEqual(second.headers["x-request-id"], first.headers["x-request-id"])
      assert.lengthOf(acts, 2)
      assert.notStrictEqual((yield* repeatable("/webhooks", freshKey(), webhook)).text, first.text)
      const secret = JSON.parse(first.text).secret
      assert.isString(secret)
      assert.notInclude(JSON.stringify([...(yield* ReplayRows)]), secret)
    })
  )

  it.effect("carries out again what comes without it", () =>
    Effect.gen(function* () {
      const once = send("POST", "/api/v1/webhooks", { key: "admin", json: webhook })
      assert.notStrictEqual((yield* once).text, (yield* once).text)
    })
  )

  it.effect("refuses another request under the same key, whoever else may use that key", () =>
    Effect.gen(function* () {
      const key = freshKey()
      yield* repeatable("/webhooks", key, webhook)
      const other = yield* repeatable("/webhooks", key, { ...webhook, name: "other" })
      assert.strictEqual(other.status, 422)
      assert.strictEqual(other.headers["content-type"], "application/problem+json")
      assert.containSubset(other.json, { code: "idempotency-key-reused", status: 422 })
      assert.strictEqual((yield* repeatable(`/contexts/${contextId}/compact`, key, webhook)).status, 422)
    })
  )

  it.effect("tells a twin when to ask again, while the first still runs", () =>
    Effect.gen(function* () {
      const rows = yield* ReplayRows
      rows.clear()
      const key = freshKey()
      yield* repeatable("/webhooks", key, webhook)
      const leasedUntil = DateTime.add(yield* DateTime.now, { minutes: 1 })
      for (const [name, row] of rows) rows.set(name, { ...row, leasedUntil, sealedAnswer: undefined })
      const twin = yield* repeatable("/webhooks", key, webhook)
      assert.strictEqual(twin.status, 409)
      assert.strictEqual(twin.headers["retry-after"], "1")
      assert.containSubset(twin.json, { code: "idempotency-in-progress" })
    })
  )

  it.effect("says that an answer was too large to be given again", () =>
    Effect.gen(function* () {
      const rows = yield* ReplayRows
      rows.clear()
      const key = freshKey()
      yield* repeatable("/webhooks", key, webhook)
      for (const [name, row] of rows) rows.set(name, { ...row, sealedAnswer: undefined })
      const again = yield* repeatable("/webhooks", key, webhook)
      assert.strictEqual(again.status, 409)
      assert.containSubset(again.json, { code: "idempotency-answer-not-kept" })
    })
  )

  it.effect.each(["", "x".repeat(256), "two words", "caf\u00e9"])("'%s' is no key", (key) =>
    Effect.gen(function* () {
      const { json, status } = yield* repeatable("/webhooks", key, webhook)
      assert.strictEqual(status, 400)
      assert.containSubset(json, { errors: [{ pointer: "/headers/idempotency-key" }] })
    })
  )

  it.effect("may be 255 characters long, of any visible ones", () =>
    Effect.gen(function* () {
      const key = `!~"\\'<>&;${"x".repeat(246)}`
      assert.strictEqual((yield* repeatable("/webhooks", key, webhook)).status, 201)
      assert.strictEqual((yield* repeatable("/webhooks", key, webhook)).headers["idempotency-replayed"], "true")
    })
  )

  it.effect("gives the problem again that a request was answered with once it ran", () =>
    Effect.gen(function* () {
      const refused = [
        ["/tools", { name: "git", kind: "git" }, 409],
        [`/contexts/${contextId}/compact`, { maxTokens: 5 }, 422]
      ] as const
      for (const [path, body, status] of refused) {
        const key = freshKey()
        const first = yield* repeatable(path, key, body)
        const second = yield* repeatable(path, key, body)
        assert.strictEqual(first.status, status)
        assert.strictEqual(second.status, status)
        assert.strictEqual(second.text, first.text)
        assert.strictEqual(second.headers["content-type"], "application/problem+json")
        assert.strictEqual(second.headers["idempotency-replayed"], "true")
      }
    })
  )

  it.effect("is free again after input that does not fit, a failure of ours, or a confirmation that is asked for", () =>
    Effect.gen(function* () {
      const [invalid, failed, confirmed, denied] = [freshKey(), freshKey(), freshKey(), freshKey()]
      assert.strictEqual((yield* repeatable("/webhooks", invalid, { name: 1 })).status, 400)
      assert.strictEqual((yield* repeatable("/webhooks", invalid, webhook)).status, 201)

      assert.strictEqual((yield* repeatable("/contexts", failed, { name: "c" })).status, 500)
      assert.isUndefined((yield* repeatable("/contexts", failed, { name: "c" })).headers["idempotency-replayed"])

      const action = "/tools/git/actions/remove"
      assert.strictEqual((yield* repeatable(action, confirmed, {})).status, 428)
      const done = yield* repeatable(action, confirmed, { confirmationToken: "good" })
      assert.strictEqual(done.status, 200)
      assert.strictEqual((yield* repeatable(action, confirmed, { confirmationToken: "good" })).text, done.text)

      assert.strictEqual((yield* repeatable("/webhooks", denied, webhook, "viewer")).status, 403)
      assert.strictEqual((yield* repeatable("/webhooks", denied, { ...webhook, name: "x" })).status, 201)
    })
  )
})
