import { Scope } from "@devops-mcp/domain/Principal"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { HttpClient, HttpClientRequest, HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { makeMetadataUrl, ProtectedResourceRoutes } from "../src/http/ProtectedResource.ts"

const wellKnown = "/.well-known/oauth-protected-resource"

const MetadataUrlRoute = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const metadataUrl = yield* makeMetadataUrl
    yield* router.add("GET", "/where", (request: HttpServerRequest.HttpServerRequest) =>
      Effect.succeed(HttpServerResponse.text(metadataUrl(request) ?? ""))
    )
  })
)

const server = (config: Readonly<Record<string, string>>) =>
  HttpRouter.serve(Layer.merge(ProtectedResourceRoutes, MetadataUrlRoute), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(
    Layer.provideMerge(NodeHttpServer.layerTest),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(config)))
  )

const get = Effect.fnUntraced(function* (path: string, headers: Readonly<Record<string, string>> = {}) {
  const response = yield* HttpClient.execute(HttpClientRequest.get(path, { headers }))
  return { status: response.status, headers: response.headers, json: Object(yield* response.json) }
})

const jwt = {
  JWT_ISSUER: "https://as.example.com",
  JWT_AUDIENCE: "https://mcp.example.com/mcp",
  JWT_JWKS_URL: "https://as.example.com/jwks"
}

describe("protected resource metadata", () => {
  it.live("are one document under every address of the resource, for anybody", () =>
    Effect.gen(function* () {
      const documents = yield* Effect.forEach(
        ["", "/mcp", "/mcp/readonly", "/mcp/x/context", "/mcp/x/context,git", "/mcp/x/git/readonly"],
        (path) => get(`${wellKnown}${path}`, { origin: "https://anywhere.example.com" })
      )
      for (const { headers, json, status } of documents) {
        assert.strictEqual(status, 200)
        assert.strictEqual(headers["content-type"], "application/json")
        assert.strictEqual(headers["access-control-allow-origin"], "*")
        assert.match(headers["cache-control"] ?? "", /^public, max-age=\d+$/)
        assert.deepStrictEqual(json, {
          resource: "https://mcp.example.com/mcp",
          authorization_servers: ["https://as.example.com"],
          scopes_supported: Scope.literals,
          bearer_methods_supported: ["header"],
          resource_name: "DevOps MCP",
          resource_documentation: "https://mcp.example.com/docs"
        })
      }
      assert.notInclude(documents[0]?.json.scopes_supported, "offline_access")
    }).pipe(Effect.provide(server({ ...jwt, PUBLIC_URL: "https://mcp.example.com/" })))
  )

  it.live("may be read by clients inside web pages", () =>
    Effect.gen(function* () {
      const response = yield* HttpClient.execute(
        HttpClientRequest.make("OPTIONS")(`${wellKnown}/mcp`, {
          headers: { origin: "https://anywhere.example.com", "access-control-request-headers": "mcp-protocol-version" }
        })
      )
      assert.strictEqual(response.status, 204)
      assert.strictEqual(response.headers["access-control-allow-headers"], "*")
    }).pipe(Effect.provide(server({})))
  )

  it.live("without an authorization server name none, and the host that the caller used", () =>
    Effect.gen(function* () {
      const { json } = yield* get(`${wellKnown}/mcp`, {
        "x-forwarded-host": "evil.example.com",
        forwarded: "host=evil"
      })
      assert.notProperty(json, "authorization_servers")
      assert.match(json.resource, /^http:\/\/(localhost|127\.0\.0\.1):\d+\/mcp$/)
      const where = yield* Effect.flatMap(HttpClient.get("/where"), (response) => response.text)
      assert.strictEqual(where, json.resource.replace("/mcp", `${wellKnown}/mcp`))
    }).pipe(Effect.provide(server({})))
  )

  it.live("an audience that is no address is not taken for one; a public address keeps its path", () =>
    Effect.gen(function* () {
      const { json } = yield* get(`${wellKnown}/mcp`)
      assert.strictEqual(json.resource, "https://example.com/devops/mcp")
      const where = yield* Effect.flatMap(HttpClient.get("/where"), (response) => response.text)
      assert.strictEqual(where, `https://example.com/devops${wellKnown}/mcp`)
    }).pipe(Effect.provide(server({ ...jwt, JWT_AUDIENCE: "devops-mcp", PUBLIC_URL: "https://example.com/devops/" })))
  )
})
