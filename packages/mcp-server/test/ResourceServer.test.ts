import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { makeApiKeySecrets } from "@devops-mcp/core/access/ApiKeySecret"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Revocations } from "@devops-mcp/core/access/Revocations"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { NotFound } from "@devops-mcp/domain/Errors"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Scope } from "@devops-mcp/domain/Principal"
import * as JwtAccessTokens from "@devops-mcp/infrastructure/JwtAccessTokens"
import { AuthorizationServer, type TokenChange } from "@devops-mcp/testing/AuthorizationServer"
import { freshId, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import { AuditSilent } from "@devops-mcp/testing/AuditSilent"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it, layer } from "@effect/vitest"
import { Client, ClientCredentialsProvider, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import { createMcpHandler, Server } from "@modelcontextprotocol/server"
import {
  ByteSize,
  ConfigProvider,
  Context,
  DateTime,
  Duration,
  Effect,
  Layer,
  Redacted,
  Option,
  References,
  Schema
} from "effect"
import {
  FetchHttpClient,
  HttpClient,
  HttpClientRequest,
  HttpRouter,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { createServer } from "node:http"
import { Caller } from "../src/edge/Caller.ts"
import type { Registries } from "../src/edge/Registries.ts"
import { idOf, readMessage, toolCallsOf } from "../src/http/Body.ts"
import { makeGate } from "../src/http/Gate.ts"
import { ModernChannel } from "../src/http/ModernChannel.ts"
import { ProtectedResourceRoutes } from "../src/http/ProtectedResource.ts"
import { refusalResponse } from "../src/http/Refusal.ts"
import type { RegisteredTool } from "../src/registry/RegisteredTool.ts"
import { wholeCatalogue } from "../src/registry/View.ts"

const tenantId = freshId(TenantId)
const apiKey = "dmk_the_key_that_this_test_knows_of_00"

/** Where the server under test listens, which is its audience. */
class Address extends Context.Service<Address, { readonly baseUrl: string; readonly url: string }>()(
  "@devops-mcp/mcp-server/test/ResourceServer.test/Address"
) {
  static readonly layer = Layer.effect(
    Address,
    Effect.map(HttpServer.HttpServer, ({ address }) => {
      const baseUrl = `http://localhost:${"port" in address ? address.port : 0}`
      return { baseUrl, url: `${baseUrl}/mcp` }
    })
  )
}

/** The tools of the server under test, by what calling them takes. */
const tools: Readonly<Record<string, Scope>> = { read_it: "tools:read", write_it: "tools:execute" }

const registered = (name: string, scope: Scope): RegisteredTool => ({
  definition: {
    name,
    title: name,
    description: name,
    inputSchema: { type: "object" },
    annotations: {
      title: name,
      readOnlyHint: scope === "tools:read",
      destructiveHint: false,
      idempotentHint: false,
      openWorldHint: false
    }
  },
  toolset: "test",
  scope,
  execution: "inline",
  headers: []
})

/** The gate asks the tools alone, and of them only what is here. */
const registries = {
  tools: {
    find: (_principal: unknown, _view: unknown, name: string) =>
      Effect.succeed(Option.map(Option.fromUndefinedOr(tools[name]), (scope) => registered(name, scope))),
    toolsets: () => Effect.succeed(new Set(["test"]))
  }
} as unknown as Registries["Service"]

const isCall = Schema.is(Schema.Struct({ params: Schema.Struct({ name: Schema.String }) }))

const makeServer = () => {
  const server = new Server({ name: "test", version: "1.0.0" }, { capabilities: { tools: {} } })
  server.setRequestHandler("tools/list", () => ({
    tools: Object.entries(tools).map(([name]) => ({ name, inputSchema: { type: "object" as const } }))
  }))
  server.setRequestHandler("tools/call", (request) => ({
    content: [{ type: "text" as const, text: isCall(request) ? `called ${request.params.name}` : "" }]
  }))
  return server
}

/** The gate of `/mcp` before a small server of the SDK: what is tested is who passes, and what the others are told. */
const Routes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const gate = yield* makeGate(registries)
    const handler = createMcpHandler(makeServer)
    const serve = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const principal = yield* gate.authenticate(request)
      const view = yield* gate.view(request, principal)
      const body = yield* readMessage(request, ByteSize.kibibytes(64))
      yield* gate.permit(request, principal, view, toolCallsOf(body), idOf(body))
      const url = Option.getOrThrow(HttpServerRequest.toURL(request))
      const response = yield* Effect.promise(() =>
        handler.fetch(new Request(url, { method: "POST", headers: request.headers }), { parsedBody: body })
      )
      return HttpServerResponse.fromWeb(response)
    })
    for (const path of ["/mcp", "/mcp/readonly"] as const) {
      yield* router.add("POST", path, (request) =>
        Effect.catchTag(serve(request), "@devops-mcp/mcp-server/http/Refusal", (refusal) =>
          Effect.succeed(refusalResponse(refusal))
        )
      )
    }
  })
)

/** Any key is one. */
const Keys = Layer.unwrap(
  Effect.map(makeApiKeySecrets, ({ present }) =>
    Layer.mock(ApiKeyRepository, {
      find: () =>
        Effect.map(present(Redacted.make(apiKey)), ({ proof }) => [
          {
            tenantId,
            key: { id: freshId(ApiKeyId), name: "ci", role: "agent", createdAt: DateTime.makeUnsafe(0) },
            proof: proof("given")
          }
        ]),
      markUsed: () => Effect.void
    })
  )
).pipe(Layer.provide([NodeCrypto.layer, TestSigningKey]))

const Ports = Layer.mergeAll(
  Keys,
  BusMemory.layer,
  Layer.mock(TenantRepository, {
    get: (id) =>
      id === tenantId
        ? Effect.succeed({ id, name: "acme", createdAt: DateTime.makeUnsafe(0) })
        : Effect.fail(new NotFound({ resource: "tenant", id }))
  }),
  AuditSilent,
  testLimits(),
  NodeCrypto.layer
)

const eager = { cooldown: Duration.zero, retryAfter: Duration.zero }

/** A resource server whose audience is the address it listens on. */
const ResourceServer = Layer.unwrap(
  Effect.gen(function* () {
    const { url: audience } = yield* Address
    const { issuer, jwksUrl } = yield* AuthorizationServer
    return HttpRouter.serve(Layer.merge(Routes, ProtectedResourceRoutes), {
      disableLogger: true,
      disableListenLog: true
    }).pipe(
      Layer.provide(Authentication.layer.pipe(Layer.provide([Revocations.layer, TestSigningKey]))),
      Layer.provide(JwtAccessTokens.layerWith({ issuer, audience, jwksUrl }, eager)),
      Layer.provide(
        ConfigProvider.layer(
          ConfigProvider.fromUnknown({ JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWT_JWKS_URL: jwksUrl.href })
        )
      )
    )
  })
).pipe(
  Layer.provide(Ports),
  Layer.provideMerge(AuthorizationServer.layer({ sub: "ada", tenant_id: tenantId })),
  Layer.provideMerge(Address.layer),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: 0 })),
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
)

const call = (name: string) => ({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {} } })

const post = Effect.fnUntraced(function* (token: string | undefined, name = "read_it", path = "/mcp") {
  const { baseUrl } = yield* Address
  const request = HttpClientRequest.post(`${baseUrl}${path}`).pipe(
    HttpClientRequest.setHeaders({ accept: "application/json, text/event-stream" }),
    HttpClientRequest.bodyJsonUnsafe(call(name)),
    token === undefined ? (self) => self : HttpClientRequest.bearerToken(token)
  )
  const { headers, status, text } = yield* HttpClient.execute(request)
  return { status, text: yield* text, challenge: headers["www-authenticate"], retryAfter: headers["retry-after"] }
})

const signed = Effect.fnUntraced(function* ({ claims, ...change }: TokenChange = {}) {
  const { url: aud } = yield* Address
  return yield* Effect.flatMap(AuthorizationServer, (server) =>
    server.token({ ...change, claims: { aud, scope: "tools:read", ...claims } })
  )
})

const metadata = Effect.map(Address, ({ baseUrl }) => `${baseUrl}/.well-known/oauth-protected-resource/mcp`)

const bad: ReadonlyArray<readonly [string, TokenChange]> = [
  ["another audience", { claims: { aud: "https://other.example.com/mcp" } }],
  ["another issuer", { claims: { iss: "https://evil.example.com" } }],
  ["expired", { claims: { exp: 1 } }],
  ["not yet valid", { claims: { nbf: 4_000_000_000 } }],
  ["no expiry", { claims: { exp: undefined } }],
  ["no tenant", { claims: { tenant_id: undefined } }],
  ["unknown tenant", { claims: { tenant_id: freshId(TenantId) } }],
  ["no subject", { claims: { sub: undefined } }]
]

/** A connected client of the SDK that gets its own tokens, and what it was given. */
const connect = Effect.gen(function* () {
  const { url } = yield* Address
  const { issuer } = yield* AuthorizationServer
  const provider = new ClientCredentialsProvider({ clientId: "agent", clientSecret: "secret", expectedIssuer: issuer })
  const client = new Client({ name: "test", version: "1.0.0" })
  yield* Effect.acquireRelease(
    Effect.promise(() => client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider: provider }))),
    () => Effect.promise(() => client.close())
  )
  return { provider, call: (name: string) => Effect.promise(() => client.callTool({ name, arguments: {} })) }
})

layer(ResourceServer, { excludeTestServices: true })("the MCP server as a resource server", (it) => {
  it.effect("without a credential says where to get one and what to ask for, and that nothing was wrong", () =>
    Effect.gen(function* () {
      for (const path of ["/mcp", "/mcp/readonly"]) {
        const { challenge = "", status } = yield* post(undefined, "read_it", path)
        assert.strictEqual(status, 401)
        assert.include(challenge, `resource_metadata="${yield* metadata}"`)
        assert.include(challenge, 'scope="contexts:read ')
        assert.notInclude(challenge, "error")
      }
    })
  )

  it.effect("takes a good token", () =>
    Effect.gen(function* () {
      const { status, text } = yield* post(yield* signed())
      assert.strictEqual(status, 200)
      assert.include(text, "called read_it")
    })
  )

  it.effect("answers every bad token with the same 401, and repeats nothing of it", () =>
    Effect.gen(function* () {
      const answers = yield* Effect.forEach(bad, ([, change]) => Effect.flatMap(signed(change), post))
      const good = yield* signed()
      answers.push(yield* post("nonsense"), yield* post(`${good.slice(0, -4)}AAAA`))
      assert.strictEqual(answers[0]?.status, 401)
      assert.include(answers[0]?.challenge, 'error="invalid_token"')
      assert.include(answers[0]?.challenge, `resource_metadata="${yield* metadata}"`)
      for (const [n, answer] of answers.entries()) assert.deepStrictEqual(answer, answers[0], bad[n]?.[0])
    })
  )

  it.effect("tells a token with too little which scope the call needs, and where to get it", () =>
    Effect.gen(function* () {
      const { challenge, status } = yield* post(yield* signed(), "write_it")
      assert.strictEqual(status, 403)
      assert.include(challenge, 'error="insufficient_scope"')
      assert.include(challenge, 'scope="tools:execute"')
      assert.include(challenge, `resource_metadata="${yield* metadata}"`)
      // The scopes of a token are its own: writing does not come with reading.
      assert.strictEqual((yield* post(yield* signed({ claims: { scope: "tools:execute" } }))).status, 403)
      assert.strictEqual((yield* post(yield* signed({ claims: { scope: "tools:execute" } }), "write_it")).status, 200)
    })
  )

  it.effect(
    "a client that knows the address alone finds the way to a token, and to more scopes when it needs them",
    () =>
      Effect.gen(function* () {
        const { call, provider } = yield* connect
        assert.deepStrictEqual((yield* call("read_it")).content, [{ type: "text", text: "called read_it" }])
        const first = provider.tokens()?.access_token
        assert.isDefined(first)
        assert.deepStrictEqual((yield* call("write_it")).content, [{ type: "text", text: "called write_it" }])
        assert.notStrictEqual(provider.tokens()?.access_token, first)
        yield* call("read_it")
      })
  )

  it.effect("takes a token of a key that is new", () =>
    Effect.gen(function* () {
      yield* post(yield* signed())
      const kid = yield* Effect.flatMap(AuthorizationServer, (server) => server.addKey("RS256"))
      assert.strictEqual((yield* post(yield* signed({ kid }))).status, 200)
    })
  )

  it.effect("without the authorization server asks those with a new token to come back; API keys work", () =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      const kid = yield* server.addKey("ES256")
      const token = yield* signed({ kid })
      yield* server.stop
      const { retryAfter, status } = yield* post(token)
      assert.deepStrictEqual([status, retryAfter], [503, "1"])
      assert.strictEqual((yield* post(apiKey)).status, 200)
    })
  )
})

describe("nothing is passed through", () => {
  it("the SDK knows who calls and has no token that it could pass on", () => {
    const caller = new Caller({
      admitted: undefined as never,
      principal: Effect.never,
      requestId: Effect.never,
      context: Context.empty(),
      view: wholeCatalogue,
      subscriptions: undefined
    })
    const channel = new ModernChannel()
    const told: Array<unknown> = []
    channel.onmessage = (_message, extra) => void told.push(extra?.authInfo)
    const exchange = { answer: () => {}, notify: () => {} }
    channel.deliver({ jsonrpc: "2.0", id: 1, method: "tools/list" }, { era: "modern" }, caller, exchange)
    assert.deepStrictEqual(told, [{ token: "", clientId: "", scopes: [], extra: { caller } }])
  })
})
