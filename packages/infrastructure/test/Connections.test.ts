import { Connections } from "@devops-mcp/core/connections/Connections"
import { OAuthProviders } from "@devops-mcp/core/connections/OAuthProviders"
import { scopesOf } from "@devops-mcp/core/Policy"
import { Cache } from "@devops-mcp/core/ports/Cache"
import { ConnectionRepository } from "@devops-mcp/core/ports/ConnectionRepository"
import { OAuthClient } from "@devops-mcp/core/ports/OAuthClient"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { ToolId } from "@devops-mcp/domain/Ids"
import { AuthorizationServer } from "@devops-mcp/testing/AuthorizationServer"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import {
  accessToken,
  allow,
  callback,
  clientSecret,
  complete,
  connect,
  logged,
  notConnectedTag,
  OtherReplica,
  principalOf,
  refusedTag,
  rotating,
  serve,
  setUp,
  start,
  TestLayer
} from "./ConnectionsFixtures.ts"

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("connections", (it) => {
  it.effect("a user connects an account, and tools get its token", () =>
    Effect.gen(function* () {
      const { caller, provider, tenantId } = yield* setUp()
      const { requests, change } = rotating({ first: 3600, later: 3600 })
      yield* serve(change)
      const { issuer } = yield* AuthorizationServer
      assert.strictEqual(provider.issuer, issuer)
      assert.strictEqual(provider.tokenEndpoint, `${issuer}/token`)
      assert.strictEqual((yield* Effect.flip(accessToken(caller)))._tag, notConnectedTag)
      const started = yield* start(caller)
      const url = new URL(started.authorizationUrl)
      assert.strictEqual(url.searchParams.get("code_challenge_method"), "S256")
      assert.strictEqual(url.searchParams.get("scope"), "repo read:user")
      assert.strictEqual(url.searchParams.get("redirect_uri"), callback)
      const answer = yield* allow(started.authorizationUrl)
      assert.strictEqual(answer.state, started.state)
      const { connection, principal } = yield* complete({ ...answer, iss: issuer })
      assert.deepStrictEqual(principal, caller)
      assert.deepInclude(connection, {
        provider: "acme",
        shared: false,
        status: "connected",
        scopes: ["repo", "read:user"]
      })
      assert.strictEqual(yield* accessToken(caller), "access-1")
      assert.deepStrictEqual(requests, ["authorization_code"])
      const repository = yield* ConnectionRepository
      assert.deepStrictEqual((yield* repository.list(caller, { limit: 50 })).items, [connection])
      const again = yield* connect(caller)
      assert.strictEqual(again.connection.id, connection.id)
      assert.strictEqual(yield* accessToken(caller), "access-2")
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{ readonly row: string }>`
        select c::text || p::text as row from connections c, oauth_providers p
        where c.tenant_id = ${tenantId} and p.tenant_id = ${tenantId}`
      assert.strictEqual(rows.length, 1)
      assert.notMatch(rows[0]!.row, /access-\d|refresh-\d|client-secret/)
    })
  )

  it.effect("a code is worth nothing with another verifier", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      const client = yield* OAuthClient
      const registration = yield* (yield* OAuthProviders).registration(caller.tenantId, "acme")
      const { authorizationUrl, state } = yield* start(caller)
      const answer = yield* allow(authorizationUrl)
      const verifier = Redacted.make("x".repeat(43))
      const failure = yield* Effect.flip(
        client.exchange(registration, { redirectUri: callback, state, verifier }, answer)
      )
      assert.include(["invalid", "refused"], failure.reason)
    })
  )

  it.effect("a state is good once, whatever came of it", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      const { authorizationUrl } = yield* start(caller)
      const answer = yield* allow(authorizationUrl)
      const results = yield* Effect.all(
        Array.from({ length: 8 }, () => Effect.result(complete(answer))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 1)
      assert.strictEqual((yield* Effect.flip(complete(answer)))._tag, refusedTag)
    })
  )

  it.effect(
    "whoever comes back is told what it is about, as often as they like, and it ends when it is discarded",
    () =>
      Effect.gen(function* () {
        const connections = yield* Connections
        const other = yield* OtherReplica
        const { caller, provider, tenantId } = yield* setUp("admin")
        const { name: tenant } = yield* Effect.flatMap(TenantRepository, (tenants) => tenants.get(tenantId))
        for (const shared of [false, true]) {
          const { authorizationUrl, state } = yield* start(caller, shared)
          const answer = yield* allow(authorizationUrl)
          for (const replica of [connections, other, connections]) {
            assert.deepStrictEqual(yield* replica.pending(state), { principal: caller, tenant, provider, shared })
          }
          assert.strictEqual((yield* Effect.flip(connections.pending(state.slice(0, -1))))._tag, refusedTag)
          assert.deepStrictEqual(yield* other.discard(state), caller)
          assert.strictEqual((yield* Effect.flip(connections.pending(state)))._tag, refusedTag)
          assert.strictEqual((yield* Effect.flip(connections.discard(state)))._tag, refusedTag)
          assert.strictEqual((yield* Effect.flip(complete(answer)))._tag, refusedTag)
        }
        assert.strictEqual((yield* Effect.flip(accessToken(caller)))._tag, notConnectedTag)
        const connected = yield* start(caller)
        yield* complete(yield* allow(connected.authorizationUrl))
        assert.strictEqual((yield* Effect.flip(connections.pending(connected.state)))._tag, refusedTag)
      })
  )

  it.effect("a state of another caller, a forged one and one of another installation are refused", () =>
    Effect.gen(function* () {
      const { caller, tenantId } = yield* setUp()
      const mine = yield* start(caller)
      const theirs = yield* start(principalOf(tenantId))
      const { code } = yield* allow(mine.authorizationUrl)
      const [myId, ...mySeal] = mine.state.split(".")
      const [theirId, ...theirSeal] = theirs.state.split(".")
      const states = [
        [theirId, ...mySeal].join("."),
        [myId, ...theirSeal].join("."),
        mine.state.slice(0, -1),
        `${myId}.`,
        myId ?? "",
        "nonsense"
      ]
      for (const state of states) {
        assert.strictEqual((yield* Effect.flip(complete({ code, state })))._tag, refusedTag, state)
      }
      // None of that used the real one up.
      assert.deepStrictEqual((yield* complete({ code, state: mine.state })).principal, caller)
    })
  )

  it.effect("an answer of another issuer, and one with another code, make no connection", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      yield* serve((_, answer) => {
        answer.statusCode = 400
        answer.body = { error: "<script>" }
      })
      const answers = [{ iss: "https://evil.example.com" }, { code: "<script>" }]
      for (const change of answers) {
        const { authorizationUrl } = yield* start(caller)
        const error = yield* Effect.flip(complete({ ...(yield* allow(authorizationUrl)), ...change }))
        assert.strictEqual(error._tag, refusedTag)
        assert.notInclude(error.message, "<")
      }
      assert.strictEqual((yield* Effect.flip(accessToken(caller)))._tag, notConnectedTag)
    })
  )

  it.effect("what is disconnected is revoked at the provider and gone", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      const server = yield* AuthorizationServer
      const { connection } = yield* connect(caller)
      const before = yield* server.revocations
      yield* (yield* Connections).disconnect(caller, connection.id)
      assert.strictEqual((yield* server.revocations) - before, 1)
      assert.strictEqual((yield* Effect.flip(accessToken(caller)))._tag, notConnectedTag)
    })
  )

  it.effect("a connection and a provider of one tenant are nothing to another", () =>
    Effect.gen(function* () {
      const { caller, tenantId } = yield* setUp()
      const { connection } = yield* connect(caller)
      const { connection: common } = yield* connect(principalOf(tenantId, "admin"), true)
      const intruder = { ...caller, tenantId: yield* freshTenant, role: "admin" as const, scopes: scopesOf("admin") }
      const repository = yield* ConnectionRepository
      const connections = yield* Connections
      const now = yield* DateTime.now
      for (const { id } of [connection, common]) {
        assert.strictEqual(
          (yield* Effect.flip(repository.get(intruder, id)))._tag,
          "@devops-mcp/domain/Errors/NotFound"
        )
        assert.strictEqual(
          (yield* Effect.flip(connections.disconnect(intruder, id)))._tag,
          "@devops-mcp/domain/Errors/NotFound"
        )
        assert.isFalse(yield* repository.expire(intruder, id, 1, now))
      }
      assert.deepStrictEqual((yield* repository.list(intruder, { limit: 50 })).items, [])
      assert.deepStrictEqual((yield* repository.listProviders(intruder.tenantId, { limit: 50 })).items, [])
      assert.strictEqual((yield* Effect.flip(accessToken(intruder)))._tag, notConnectedTag)
      assert.strictEqual((yield* Effect.flip(start(intruder)))._tag, "@devops-mcp/domain/Errors/NotFound")
      // The same actor of the same tenant still has its own.
      assert.isTrue((yield* accessToken(caller)).length > 0)
    })
  )

  it.effect("a tool names its provider in its config", () =>
    Effect.gen(function* () {
      const { caller, tenantId } = yield* setUp()
      const now = yield* DateTime.now
      const tool = { kind: "git", version: 1, createdAt: now, updatedAt: now }
      const tools = yield* ToolRepository
      yield* tools.create(tenantId, { ...tool, id: freshId(ToolId), name: "forge", config: { oauthProvider: "acme" } })
      yield* tools.create(tenantId, { ...tool, id: freshId(ToolId), name: "plain", config: {} })
      const connections = yield* Connections
      assert.strictEqual((yield* connections.start(caller, { tool: "forge" }, callback)).provider, "acme")
      for (const input of [{ tool: "plain" }, { tool: "forge", provider: "other" }, {}]) {
        const error = yield* Effect.flip(connections.start(caller, input, callback))
        assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/InvalidInput")
      }
    })
  )

  it.effect("neither logs nor the cache hold a token, a code, a verifier or a client's secret", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      yield* serve(rotating({ first: 0, later: 0 }).change)
      const started = yield* start(caller)
      const answer = yield* allow(started.authorizationUrl)
      const kept = yield* (yield* Cache).get(`connection-flow:${started.state.split(".")[0] ?? ""}`)
      const challenge = new URL(started.authorizationUrl).searchParams.get("code_challenge") ?? "-"
      assert.notInclude(JSON.stringify(kept), challenge)
      yield* complete(answer)
      yield* serve((_form, reply) => {
        reply.statusCode = 400
        reply.body = { error: "temporarily_unavailable", error_description: "access-1 refresh-1" }
      })
      const error = yield* Effect.flip(accessToken(caller))
      yield* Effect.logError("as the edge logs it", error)
      const text = logged.join("\n")
      assert.include(text, "as the edge logs it")
      for (const secret of [answer.code, clientSecret, "access-1", "refresh-1", "code_verifier"]) {
        assert.notInclude(text, secret)
      }
    })
  )
})
