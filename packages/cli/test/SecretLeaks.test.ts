import * as Client from "@devops-mcp/database/Client"
import * as EmbeddedPostgres from "@devops-mcp/database/embedded/EmbeddedPostgres"
import { AuthorizationServer } from "@devops-mcp/testing/AuthorizationServer"
import { gitHubDeliveries, postDelivery } from "@devops-mcp/testing/GitHubDeliveries"
import { connectHttp, connectWebSocket } from "@devops-mcp/testing/McpClients"
import { checkout, runStart } from "@devops-mcp/testing/Program"
import { makeSecretWatch } from "@devops-mcp/testing/SecretWatch"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Queue, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { SqlClient } from "effect/sql"

const random = () => crypto.randomUUID().replaceAll("-", "")

/** None of them looks like what redaction knows, where that is ours to choose: they must not get that far. */
const secrets = {
  bootstrapKey: `dmk_${random()}${random()}`,
  wrongKey: `dmk_${random()}${random()}`,
  encryptionKey: Buffer.from(random()).toString("base64"),
  webhookSecret: `hook ${random()}`,
  rotatedSecret: `rotated ${random()}`,
  wrongWebhookSecret: `wrong hook ${random()}`,
  senderToken: `sender ${random()}`,
  toolPassword: `tool ${random()}`,
  brokenPassword: `broken ${random()}`,
  clientSecret: `client ${random()}`,
  code: random()
}

/** What callers send along. They may read it again; it is nobody else's business. */
const payloads = { argument: `argument ${random()}`, text: `text ${random()}` }

const audience = "https://secrets.example.com"
const claims = { sub: "ada", aud: audience, scope: "contexts:read", exp: 4_000_000_000 }

/** What the program exports, as a collector gets it. */
const collector = Effect.gen(function* () {
  const received = yield* Queue.unbounded<string>()
  const collect = Effect.gen(function* () {
    const { url } = yield* HttpServerRequest.HttpServerRequest
    const request = yield* HttpServerRequest.HttpServerRequest
    yield* Queue.offer(received, `${url} ${yield* Effect.orDie(request.text)}`)
    return HttpServerResponse.jsonUnsafe({})
  })
  const server = HttpRouter.serve(HttpRouter.add("POST", "/*", collect), {
    disableListenLog: true,
    disableLogger: true
  }).pipe(Layer.provideMerge(NodeHttpServer.layerTest))
  const context = yield* Layer.build(server)
  const { address } = yield* Effect.provide(HttpServer.HttpServer, context)
  return { endpoint: HttpServer.formatAddress(address), received: Effect.map(Queue.clear(received), (all) => all) }
})

const AuditPage = Schema.Struct({ items: Schema.Array(Schema.Struct({ action: Schema.String })) })
const Created = Schema.Struct({
  key: Schema.optionalKey(Schema.String),
  url: Schema.optionalKey(Schema.String),
  tenantId: Schema.optionalKey(Schema.String)
})

layer(Layer.merge(NodeServices.layer, AuthorizationServer.layer(claims)), {
  excludeTestServices: true,
  timeout: "120 seconds"
})("secrets", (it) => {
  it.effect(
    "are in nothing that the program logs, traces, measures, answers, records or stores",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const { issuer, jwksUrl, token } = yield* AuthorizationServer
        const { endpoint, received } = yield* collector
        const home = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" })
        const watch = makeSecretWatch()
        const privately = makeSecretWatch()
        for (const [name, secret] of Object.entries(secrets)) {
          watch.guard(name, secret, { shownOnceIn: `creation of ${name}` })
        }
        for (const [name, text] of Object.entries(payloads)) privately.guard(name, text)
        const hear = (place: string, text: string) => {
          watch.hear(place, text)
          privately.hear(place, text)
        }
        const program = yield* runStart({
          DEVOPS_MCP_HOME: home,
          DEVOPS_MCP_BOOTSTRAP_API_KEY: secrets.bootstrapKey,
          ENCRYPTION_KEY: secrets.encryptionKey,
          GIT_ROOTS: checkout,
          JWT_ISSUER: issuer,
          JWT_AUDIENCE: audience,
          JWT_JWKS_URL: jwksUrl.href,
          LOG_LEVEL: "trace",
          LOG_FORMAT: "json",
          OTEL_EXPORTER_OTLP_ENDPOINT: endpoint
        })
        const send = Effect.fnUntraced(function* (
          status: number,
          path: string,
          init: RequestInit = {},
          key: string = secrets.bootstrapKey,
          place = `the answer of ${path}`
        ) {
          const headers = new Headers(init.headers)
          if (!headers.has("authorization")) headers.set("authorization", `Bearer ${key}`)
          if (init.body !== undefined) headers.set("content-type", "application/json")
          const response = yield* Effect.promise(() => fetch(`${program.url}${path}`, { ...init, headers }))
          const text = yield* Effect.promise(() => response.text())
          watch.hear(place, `${JSON.stringify([...response.headers])} ${text}`)
          assert.strictEqual(response.status, status, `${path} ${text}`)
          return text
        })
        const post = (body: unknown) => ({ method: "POST", body: JSON.stringify(body) })
        const created = (text: string) => Schema.decodeEffect(Schema.fromJsonString(Created))(text)

        const { tenantId } = yield* created(yield* send(200, "/api/v1/me"))
        const jwt = yield* token({ claims: { tenant_id: tenantId } })
        const foreignJwt = yield* token({ claims: { tenant_id: tenantId, aud: "https://other.example.com" } })
        watch.guard("JWT", jwt)
        watch.guard("JWT for others", foreignJwt)
        yield* send(200, "/api/v1/me", {}, jwt)
        yield* send(401, "/api/v1/me", {}, foreignJwt)
        yield* send(401, "/api/v1/me", {}, secrets.wrongKey)
        yield* send(401, "/api/v1/me", { headers: { authorization: `Basic ${btoa(`u:${secrets.wrongKey}`)}` } })
        yield* send(401, `/api/v1/me?access_token=${secrets.bootstrapKey}`, { headers: { authorization: "none" } })
        yield* send(404, `/api/v1/nothing?token=${jwt}&code=${secrets.senderToken}`, {
          headers: { "x-gitlab-token": secrets.senderToken, cookie: `session=${secrets.senderToken}` }
        })

        const { key = "" } = yield* created(
          yield* send(
            201,
            "/api/v1/api-keys",
            post({ name: "k", role: "agent" }),
            secrets.bootstrapKey,
            "creation of key"
          )
        )
        watch.guard("the created key", key, { shownOnceIn: "creation of key" })
        yield* send(403, "/api/v1/api-keys", post({ name: "k", role: "admin" }), key)

        const hook = { source: "github", name: "w", secret: secrets.webhookSecret }
        const { url = "" } = yield* created(
          yield* send(201, "/api/v1/webhooks", post(hook), secrets.bootstrapKey, "creation of webhookSecret")
        )
        const address = `${program.url}${new URL(url).pathname}`
        const [delivery] = gitHubDeliveries
        assert.isDefined(delivery)
        const rotation = `/api/v1/webhooks/${new URL(url).pathname.split("/").at(-1)}/rotate-secret`
        const rotated = post({ secret: secrets.rotatedSecret })
        yield* send(200, rotation, rotated, secrets.bootstrapKey, "creation of rotatedSecret")
        for (const [secret, status] of [
          [secrets.webhookSecret, 202],
          [secrets.rotatedSecret, 202],
          [secrets.wrongWebhookSecret, 401]
        ] as const) {
          assert.strictEqual((yield* postDelivery(address, secret, delivery)).status, status)
        }

        const credentials = { password: secrets.toolPassword }
        yield* send(422, "/api/v1/tools", post({ name: "secret-git", kind: "git", credentials }))
        yield* send(400, "/api/v1/tools", post({ name: 5, kind: "git", credentials }))
        yield* send(422, "/api/v1/tools", post({ name: "a", kind: "none", config: credentials, credentials }))
        const broken = `{"name": "x", "credentials": {"password": "${secrets.brokenPassword}"`
        yield* send(400, "/api/v1/tools", { method: "POST", body: broken })
        yield* send(400, "/api/v1/webhooks", post({ source: "none", name: "w", secret: secrets.brokenPassword }))

        const context = yield* send(201, "/api/v1/contexts", post({ name: "c" }))
        const id = /"id":"([^"]+)"/.exec(context)?.[1] ?? ""
        const items = [{ role: "user", content: payloads.text }]
        yield* send(201, `/api/v1/contexts/${id}/items`, post({ items }))
        yield* send(200, `/api/v1/contexts/${id}/search`, post({ query: payloads.text }))
        const call = { arguments: { ref: payloads.argument } }
        yield* send(200, "/api/v1/tools/git/actions/log", post(call))

        const peer = yield* connectHttp("SDK 2 auto", `${program.url}/mcp`, key)
        const listed = yield* peer.listTools
        watch.hear("MCP", JSON.stringify(listed))
        watch.hear("MCP", JSON.stringify(yield* peer.callTool("context_list", {})))
        const failed = yield* Effect.result(peer.callTool("git_log", { ref: payloads.argument }))
        watch.hear("MCP", JSON.stringify(failed))
        yield* Effect.exit(connectHttp("SDK 2 auto", `${program.url}/mcp`, secrets.wrongKey))

        // Whatever comes back of an account that somebody wanted to connect.
        const provider = {
          name: "acme",
          authorizationEndpoint: `${issuer}/authorize`,
          tokenEndpoint: `${issuer}/token`
        }
        const registration = post({
          ...provider,
          clientId: "c",
          clientSecret: secrets.clientSecret,
          scopes: [],
          allowPrivateNetwork: true
        })
        yield* send(201, "/api/v1/oauth-providers", registration)
        // The database does not take it twice, and says what it does not take.
        yield* send(409, "/api/v1/oauth-providers", registration)
        const wanted = yield* send(201, "/api/v1/connections", post({ provider: "acme" }))
        const { state } = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ state: Schema.String })))(
          wanted
        )
        for (const query of [`code=${secrets.code}&state=${secrets.code}`, `code=${secrets.code}&state=${state}`]) {
          // The form on the page is where the code belongs, and the only place.
          const page = yield* Effect.promise(() => fetch(`${program.url}/oauth/callback?${query}`))
          const text = yield* Effect.promise(() => page.text())
          watch.hear("the OAuth callback", text.replace(/<input type="hidden" name="(?:code|state)"[^>]*>/g, ""))
          const body = new URLSearchParams(`${query}&decision=connect`)
          for (const site of ["cross-site", "same-origin"]) {
            const form = { method: "POST", body, headers: { "sec-fetch-site": site } }
            const answer = yield* Effect.promise(() => fetch(`${program.url}/oauth/callback`, form))
            assert.strictEqual(answer.status, site === "same-origin" ? 400 : 403)
            watch.hear("the OAuth callback's form", yield* Effect.promise(() => answer.text()))
          }
        }

        const socket = yield* connectWebSocket("SDK 2 auto", `${program.url.replace("http", "ws")}/mcp/ws`, key)
        watch.hear("WebSocket", JSON.stringify(yield* socket.listTools))
        const refused = yield* Effect.result(socket.callTool("git_log", { ref: payloads.argument }))
        watch.hear("WebSocket", JSON.stringify(refused))
        yield* Effect.exit(
          connectWebSocket("SDK 2 auto", `${program.url.replace("http", "ws")}/mcp/ws`, secrets.wrongKey)
        )

        const metrics = yield* Effect.promise(() => fetch(`${program.url}/metrics`).then((answer) => answer.text()))
        hear("metrics", metrics)
        const audit = yield* send(200, "/api/v1/audit?limit=200")
        hear("audit rows", audit)
        const { items: acts } = yield* Schema.decodeEffect(Schema.fromJsonString(AuditPage))(audit)
        assert.isAbove(acts.length, 10)
        assert.strictEqual(yield* program.signal("SIGTERM"), 0)

        const exported = yield* received
        assert.isTrue(exported.some((text) => text.startsWith("/v1/traces") && text.includes("/api/v1/me")))
        assert.isTrue(exported.some((text) => text.startsWith("/v1/metrics")))
        for (const text of exported) hear(text.slice(0, text.indexOf(" ")), text)
        assert.include(program.output.stderr, "HTTP request")
        for (const line of program.output.stderr.split("\n")) hear("logs", line)
        hear("standard output", program.output.stdout)

        const tables = yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const names = yield* sql<{ readonly name: string }>`
            select relname::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`
          return yield* Effect.forEach(names, ({ name }) =>
            Effect.map(sql<{ readonly row: string }>`select t::text as row from ${sql(name)} t`, (rows) => ({
              name,
              rows
            }))
          )
        }).pipe(Effect.provide(Layer.provide(Client.embeddedClient, EmbeddedPostgres.layer({ directory: home }))))
        for (const { name, rows } of tables) for (const { row } of rows) watch.hear(`table ${name}`, row)
        for (const name of ["api_keys", "webhooks", "deliveries", "audit_log"]) {
          assert.isTrue(
            tables.some((table) => table.name.startsWith(name) && table.rows.length > 0),
            name
          )
        }

        assert.deepStrictEqual([...watch.leaks(), ...privately.leaks()], [])
      }),
    120_000
  )
})
