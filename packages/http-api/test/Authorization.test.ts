import { Api } from "@devops-mcp/contract/Api"
import { type Permission, Requires } from "@devops-mcp/contract/Authorization"
import { scopesOf } from "@devops-mcp/core/Policy"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Option } from "effect"
import { HttpApi, type HttpApiEndpoint } from "effect/http-api"
import { absentId, Acts, contextId, tokenOf } from "./Fakes.ts"
import { send, TestServer } from "./TestServer.ts"

interface Route {
  readonly name: string
  readonly method: HttpApiEndpoint.Top["method"]
  readonly path: string
  readonly requires: Option.Option<Permission>
}

const routes: Array<Route> = []
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, group }) => {
    routes.push({
      name: `${group.identifier}.${endpoint.identifier}`,
      method: endpoint.method,
      path: endpoint.path.replace(":id", absentId).replace(":name", "git").replace(":action", "log"),
      requires: Context.getOption(endpoint.annotations, Requires)
    })
  }
})

const guarded = routes.flatMap((route) => {
  const requires = Option.getOrUndefined(route.requires)
  return requires === undefined || requires === "signature" ? [] : [{ ...route, requires }]
})

const beyondViewer = guarded.filter(({ requires }) => requires !== "any" && !scopesOf("viewer").includes(requires))

describe("routes", () => {
  it("all say what they require, except deliveries, whose credential is their signature", () => {
    assert.deepStrictEqual(
      routes
        .filter(({ name }) => !guarded.some((route) => route.name === name))
        .map(({ name, requires }) => [name, requires]),
      [["deliveries.receive", Option.some("signature")]]
    )
    assert.isAbove(guarded.length, 30)
    assert.isAbove(beyondViewer.length, 15)
  })
})

layer(TestServer, { excludeTestServices: true })("Authorization", (it) => {
  it.effect.each(guarded)("$name answers 401 without a credential", ({ method, path }) =>
    Effect.gen(function* () {
      const { headers, json, status } = yield* send(method, path)
      assert.strictEqual(status, 401)
      assert.strictEqual(headers["www-authenticate"], "Bearer")
      assert.strictEqual(headers["content-type"], "application/problem+json")
      assert.containSubset(json, { code: "unauthorized", status: 401, requestId: headers["x-request-id"] })
    })
  )

  it.effect.each(beyondViewer)(
    "$name answers 403 to a viewer, before it looks at the request",
    ({ method, path, requires }) =>
      Effect.gen(function* () {
        const { json, status } = yield* send(method, path, { key: "viewer" })
        assert.strictEqual(status, 403)
        assert.containSubset(json, { code: "forbidden", detail: `This needs the scope '${requires}'` })
      })
  )

  it.effect("a wrong key is refused like a missing one, and X-API-Key counts", () =>
    Effect.gen(function* () {
      const wrong = yield* send("GET", "/api/v1/me", { key: "nobody" })
      assert.strictEqual(wrong.status, 401)
      assert.strictEqual(wrong.headers["www-authenticate"], "Bearer")
      const other = yield* send("GET", "/api/v1/me", { headers: { "x-api-key": tokenOf("agent") } })
      assert.strictEqual(other.status, 200)
      assert.containSubset(other.json, { role: "agent" })
    })
  )

  it.effect("a database that does not answer is a 503 with Retry-After, not a 401", () =>
    Effect.gen(function* () {
      const { headers, status } = yield* send("GET", "/api/v1/me", { key: "down" })
      assert.strictEqual(status, 503)
      assert.strictEqual(headers["retry-after"], "1")
    })
  )

  it.effect("every authenticated call is one act, whatever became of it", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      acts.length = 0
      const ok = yield* send("GET", `/api/v1/contexts/${contextId}`, { key: "viewer" })
      yield* send("POST", "/api/v1/webhooks", { key: "viewer", json: {} })
      yield* send("GET", `/api/v1/contexts/${absentId}`, { key: "viewer" })
      yield* send("POST", "/api/v1/contexts", { key: "agent", json: { name: 1 } })
      yield* send("DELETE", `/api/v1/contexts/${contextId}`, { key: "agent" })
      yield* send("GET", "/api/v1/me")
      assert.deepStrictEqual(
        acts.map(({ action, outcome, target }) => [action, outcome, target]),
        [
          ["contexts.get", "ok", contextId],
          ["webhooks.create", "denied", undefined],
          ["contexts.get", "failed", absentId],
          ["contexts.create", "failed", undefined],
          ["contexts.delete", "failed", contextId]
        ]
      )
      assert.strictEqual(acts[0]?.requestId, ok.headers["x-request-id"])
      assert.strictEqual(acts[0]?.principal.role, "viewer")
      assert.isAtLeast(acts[0]?.durationMs ?? -1, 0)
    })
  )
})
