import { Connections } from "@devops-mcp/core/connections/Connections"
import { ConnectionRepository } from "@devops-mcp/core/ports/ConnectionRepository"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import {
  accessToken,
  connect,
  notConnectedTag,
  OtherReplica,
  principalOf,
  rotating,
  serve,
  setUp,
  start,
  TestLayer
} from "./ConnectionsFixtures.ts"

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("tokens of connections", (it) => {
  it.effect("an expired token is refreshed once for ten callers on two replicas, and its refresh token rotates", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      const { change, requests } = rotating({ first: 0, later: 0 })
      yield* serve(change)
      yield* connect(caller)
      for (const expected of ["access-2", "access-3"]) {
        yield* serve((form, answer) => {
          change(form, answer)
          answer.body["expires_in"] = 3600
        })
        const replicas = [yield* Connections, yield* OtherReplica]
        const tokens = yield* Effect.all(
          Array.from({ length: 10 }, (_, n) => replicas[n % 2]!.accessToken(caller, "acme")),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([...new Set(tokens.map(Redacted.value))], [expected])
        const sql = yield* SqlClient.SqlClient
        yield* sql`update connections set expires_at = now() - interval '1 second' where tenant_id = ${caller.tenantId}`
      }
      assert.deepStrictEqual(requests, ["authorization_code", "refresh_token", "refresh_token"])
    })
  )

  it.effect("a token near its end is renewed by one caller while the others go on with it", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      const { change, requests } = rotating({ first: 30, later: 3600 })
      yield* serve(change)
      yield* connect(caller)
      const tokens = yield* Effect.all(
        Array.from({ length: 10 }, () => accessToken(caller)),
        { concurrency: "unbounded" }
      )
      assert.sameMembers([...new Set(tokens)], ["access-1", "access-2"])
      assert.strictEqual(requests.length, 2)
      assert.strictEqual(yield* accessToken(caller), "access-2")
    })
  )

  it.effect("a token near its end is good enough while the server is out of order", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      const { change } = rotating({ first: 30, later: 30 })
      yield* serve(change)
      yield* connect(caller)
      yield* serve((_form, answer) => {
        answer.statusCode = 503
        answer.body = {}
      })
      assert.strictEqual(yield* accessToken(caller), "access-1")
      const sql = yield* SqlClient.SqlClient
      yield* sql`update connections set expires_at = now() where tenant_id = ${caller.tenantId}`
      assert.strictEqual(
        (yield* Effect.flip(accessToken(caller)))._tag,
        "@devops-mcp/core/ports/OAuthClient/OAuthFailure"
      )
      yield* serve(change)
      assert.strictEqual(yield* accessToken(caller), "access-2")
    })
  )

  it.effect("a refused refresh ends the connection, and connecting again begins it anew", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      const { change } = rotating({ first: 0, later: 0 })
      yield* serve(change)
      const { connection } = yield* connect(caller)
      yield* serve((_form, answer) => {
        answer.statusCode = 400
        answer.body = { error: "invalid_grant" }
      })
      for (const attempt of [1, 2]) {
        const error = yield* Effect.flip(accessToken(caller))
        assert.deepInclude(error, { _tag: notConnectedTag, status: "expired" }, String(attempt))
        assert.match(error.message, /connect again/)
      }
      const repository = yield* ConnectionRepository
      assert.strictEqual((yield* repository.get(caller, connection.id)).connection.status, "expired")
      yield* serve(rotating({ first: 3600, later: 3600 }).change)
      yield* connect(caller)
      assert.strictEqual(yield* accessToken(caller), "access-1")
    })
  )

  it.effect("GitHub's way to say no, with a 200, ends the connection too", () =>
    Effect.gen(function* () {
      const { caller } = yield* setUp()
      yield* serve(rotating({ first: 0, later: 0 }).change)
      yield* connect(caller)
      yield* serve((_form, answer) => {
        answer.body = { error: "bad_refresh_token", error_description: "nope" }
      })
      assert.strictEqual((yield* Effect.flip(accessToken(caller)))._tag, notConnectedTag)
    })
  )

  it.effect("a caller's own account comes before the tenant's, which only an administrator connects", () =>
    Effect.gen(function* () {
      const { caller, tenantId } = yield* setUp()
      yield* serve(rotating({ first: 3600, later: 3600 }).change)
      assert.strictEqual((yield* Effect.flip(start(caller, true)))._tag, "@devops-mcp/domain/Errors/Forbidden")
      const admin = principalOf(tenantId, "admin")
      const { connection } = yield* connect(admin, true)
      assert.isTrue(connection.shared)
      assert.strictEqual(yield* accessToken(caller), "access-1")
      const own = yield* connect(caller)
      assert.strictEqual(yield* accessToken(caller), "access-2")
      assert.strictEqual(yield* accessToken(admin), "access-1")
      const connections = yield* Connections
      const notOwn = yield* Effect.flip(connections.disconnect(admin, own.connection.id))
      assert.strictEqual(notOwn._tag, "@devops-mcp/domain/Errors/NotFound")
      const notAdmin = yield* Effect.flip(connections.disconnect(caller, connection.id))
      assert.strictEqual(notAdmin._tag, "@devops-mcp/domain/Errors/Forbidden")
    })
  )
})
