import { AccessTokens } from "@devops-mcp/core/ports/AccessTokens"
import { TenantId } from "@devops-mcp/domain/Ids"
import { type KeySetPolicy, layerWith } from "@devops-mcp/infrastructure/JwtAccessTokens"
import { AuthorizationServer, type TokenChange } from "@devops-mcp/testing/AuthorizationServer"
import { jwksTimeout } from "@devops-mcp/resilience/Policies"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, DateTime, Deferred, Duration, Effect, Fiber, Layer, Redacted, Ref, References, Stream } from "effect"
import { Base64Url } from "effect/encoding"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { exportSPKI, importJWK, SignJWT } from "jose"

const audience = "https://mcp.example.com/mcp"
const tenantId = freshId(TenantId)
const claims = { sub: "ada", aud: audience, tenant_id: tenantId, scope: "contexts:read tools:read" }

const patient: KeySetPolicy = { cooldown: Duration.minutes(5), retryAfter: Duration.millis(1) }
const eager: KeySetPolicy = { cooldown: Duration.zero, retryAfter: Duration.zero }

/** How often the key set was read. */
class Reads extends Context.Service<Reads, Ref.Ref<number>>()(
  "@devops-mcp/infrastructure/test/JwtAccessTokens.test/Reads"
) {
  static readonly layer = Layer.effect(Reads, Ref.make(0))
}

const CountingClient = Layer.effect(
  HttpClient.HttpClient,
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const reads = yield* Reads
    return HttpClient.tapRequest(client, () => Ref.update(reads, (count) => count + 1))
  })
).pipe(Layer.provide(FetchHttpClient.layer))

const tokensWith = (policy: KeySetPolicy) =>
  Layer.unwrap(
    Effect.map(AuthorizationServer, ({ issuer, jwksUrl }) => layerWith({ issuer, audience, jwksUrl }, policy))
  ).pipe(
    Layer.provide(CountingClient),
    Layer.provideMerge(Layer.mergeAll(AuthorizationServer.layer(claims), Reads.layer)),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )

const verify = (token: string) => Effect.flatMap(AccessTokens, (tokens) => tokens.verify(Redacted.make(token)))

const signed = (change?: TokenChange) => Effect.flatMap(AuthorizationServer, (server) => server.token(change))

const reads = Effect.flatMap(Reads, (ref) => Ref.get(ref))

const refusedTag = "@devops-mcp/domain/Errors/Unauthenticated"
const unavailableTag = "@devops-mcp/core/ports/AccessTokens/AccessTokensUnavailable"

const refusal = (token: string) => Effect.flip(verify(token))

const now = Effect.map(DateTime.now, (time) => Math.floor(DateTime.toEpochMillis(time) / 1000))

const encode = (json: unknown) => Base64Url.encode(new TextEncoder().encode(JSON.stringify(json)))

const bad: ReadonlyArray<readonly [string, TokenChange]> = [
  ["another audience", { claims: { aud: "https://other.example.com" } }],
  ["no audience", { claims: { aud: undefined } }],
  ["another issuer", { claims: { iss: "https://evil.example.com" } }],
  ["no issuer", { claims: { iss: undefined } }],
  ["an expiry beyond the tolerance", { claims: { exp: 1 } }],
  ["no expiry", { claims: { exp: undefined } }],
  ["an expiry that is no number", { claims: { exp: "tomorrow" } }],
  ["an expiry beyond time", { claims: { exp: 1e300 } }],
  ["a beginning that has not come", { claims: { nbf: 4_000_000_000 } }],
  ["no tenant", { claims: { tenant_id: undefined } }],
  ["a tenant that is no id", { claims: { tenant_id: "acme" } }],
  ["several tenants", { claims: { tenant_id: [tenantId] } }],
  ["no subject", { claims: { sub: undefined } }],
  ["an empty subject", { claims: { sub: "" } }],
  ["an endless subject", { claims: { sub: "x".repeat(256) } }],
  ["a subject that no database stores", { claims: { sub: "a\u0000b" } }],
  ["scopes in another form", { claims: { scope: ["tools:read"] } }],
  ["the type of another kind of token", { header: { typ: "logout+jwt" } }],
  ["more than a token's length", { claims: { filler: "x".repeat(8_192) } }]
]

layer(tokensWith(patient), { excludeTestServices: true })("JwtAccessTokens", (it) => {
  it.effect("gives what a good token says", () =>
    Effect.gen(function* () {
      const exp = (yield* now) + 90
      const found = yield* verify(
        yield* signed({ claims: { exp, client_id: "console", scope: "tools:read  offline_access contexts:write" } })
      )
      assert.deepStrictEqual(found, {
        tenantId,
        subject: "ada",
        client: "console",
        scopes: ["contexts:write", "tools:read"],
        expiresAt: DateTime.makeUnsafe(exp * 1000)
      })
    })
  )

  it.effect("takes a token that has no scope, a client of OpenID Connect, or one of several audiences", () =>
    Effect.gen(function* () {
      const found = yield* verify(
        yield* signed({ claims: { scope: undefined, azp: "web", aud: ["https://other.example.com", audience] } })
      )
      assert.deepStrictEqual([found.scopes, found.client], [[], "web"])
    })
  )

  it.effect.each(["at+jwt", "AT+JWT", "application/at+jwt", "JWT", undefined])("takes the type %s", (typ) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* verify(yield* signed({ header: { typ } }))).subject, "ada")
    })
  )

  it.effect("forgives clocks that are half a minute apart, and not more", () =>
    Effect.gen(function* () {
      const time = yield* now
      yield* verify(yield* signed({ claims: { exp: time - 20 } }))
      yield* verify(yield* signed({ claims: { nbf: time + 20 } }))
      for (const change of [{ exp: time - 31 }, { nbf: time + 40 }]) {
        assert.strictEqual((yield* refusal(yield* signed({ claims: change })))._tag, refusedTag)
      }
    })
  )

  it.effect("says the same of whatever it refuses", () =>
    Effect.gen(function* () {
      const first = yield* refusal("")
      assert.strictEqual(first._tag, refusedTag)
      for (const [name, change] of bad) {
        assert.deepStrictEqual(yield* refusal(yield* signed(change)), first, name)
      }
      const good = yield* signed()
      for (const token of ["nonsense", "a.b.c", `${good}x`, good.slice(0, -8), good.replace(/\.[^.]*\./, ".e30.")]) {
        assert.deepStrictEqual(yield* refusal(token), first, token.slice(0, 20))
      }
    })
  )

  it.effect("refuses a token without a signature, and one signed with the public key as if it were a secret", () =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      const exp = (yield* now) + 60
      const [published] = yield* server.publicKeys
      assert.isDefined(published)
      const payload = { ...claims, iss: server.issuer, exp }
      const key = yield* Effect.promise(() => importJWK({ ...published }, "ES256", { extractable: true }))
      assert.notInstanceOf(key, Uint8Array)
      const secrets = [
        yield* Effect.promise(() => exportSPKI(key as Exclude<typeof key, Uint8Array>)),
        JSON.stringify(published)
      ]
      for (const alg of ["none", "None", "NONE"]) {
        const header = { alg, kid: published?.["kid"] }
        for (const signature of ["", "AAAA"]) {
          assert.strictEqual((yield* refusal(`${encode(header)}.${encode(payload)}.${signature}`))._tag, refusedTag)
        }
      }
      for (const secret of secrets) {
        for (const alg of ["HS256", "HS512"]) {
          const forged = yield* Effect.promise(() =>
            new SignJWT(payload)
              .setProtectedHeader({ alg, kid: String(published?.["kid"]) })
              .sign(new TextEncoder().encode(secret))
          )
          assert.strictEqual((yield* refusal(forged))._tag, refusedTag, alg)
        }
      }
    })
  )

  it.effect("reads the keys once for any number of tokens, of unknown keys too", () =>
    Effect.gen(function* () {
      yield* verify(yield* signed())
      const before = yield* reads
      const good = yield* signed()
      const rest = good.slice(good.indexOf("."))
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, n) => `${encode({ alg: "ES256", kid: `forged-${n}` })}${rest}`),
        refusal,
        { concurrency: "unbounded", discard: true }
      )
      assert.strictEqual(yield* reads, before)
    })
  )
})

layer(tokensWith(eager), { excludeTestServices: true })("JwtAccessTokens and the server's keys", (it) => {
  it.effect.each(["RS256", "PS256", "ES384", "EdDSA"])("picks up a new key of %s, and keeps the old one", (alg) =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      const old = yield* signed()
      yield* verify(old)
      const kid = yield* server.addKey(alg)
      const before = yield* reads
      const fresh = yield* signed({ kid })
      assert.strictEqual((yield* verify(fresh)).subject, "ada")
      yield* verify(fresh)
      yield* verify(old)
      assert.strictEqual((yield* reads) - before, 1)
    })
  )

  it.effect("refuses an algorithm that is not on the list, whoever published the key", () =>
    Effect.gen(function* () {
      const kid = yield* Effect.flatMap(AuthorizationServer, (server) => server.addKey("RS512"))
      assert.strictEqual((yield* refusal(yield* signed({ kid })))._tag, refusedTag)
    })
  )

  it.effect("goes on with the keys it has when the server is gone, and says when it needs others", () =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      const good = yield* signed()
      yield* verify(good)
      const kid = yield* server.addKey("ES256")
      const unknown = yield* signed({ kid })
      yield* server.stop
      yield* verify(good)
      const error = yield* refusal(unknown)
      assert.strictEqual(error._tag, unavailableTag)
      assert.deepInclude(error, { retryable: true })
    })
  )
})

const tokensFrom = (client: HttpClient.HttpClient, policy = patient) =>
  layerWith(
    { issuer: "https://as.example.com", audience, jwksUrl: new URL("https://as.example.com/jwks") },
    policy
  ).pipe(
    Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )

const answering = (response: () => Response, policy = patient) =>
  tokensFrom(
    HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, response()))),
    policy
  )

const anyToken = `${encode({ alg: "ES256", kid: "k" })}.${encode(claims)}.AAAA`

describe("a key set that is none", () => {
  it.effect.each([
    ["an error", () => new Response('{"keys": []}', { status: 500 })],
    [
      "a redirect",
      () => new Response('{"keys": []}', { status: 302, headers: { location: "https://evil.example.com" } })
    ],
    ["no JSON", () => new Response("<html>")],
    ["JSON of another shape", () => new Response('{"keys": 1}')],
    ["more than we read", () => new Response(`{"keys": [], "x": "${"x".repeat(300_000)}"}`)]
  ] as const)("is the server's fault and not the token's: %s", ([, response]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* refusal(anyToken))._tag, unavailableTag)
    }).pipe(Effect.provide(answering(response)))
  )

  it.effect("is not asked for again by each of the callers that it fails", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const response = () => {
        asked.push(asked.length)
        return new Response("", { status: 503 })
      }
      const calls = Effect.gen(function* () {
        yield* Effect.replicateEffect(refusal(anyToken), 5)
        assert.strictEqual(asked.length, 1)
        yield* TestClock.adjust("1 second")
        yield* refusal(anyToken)
        assert.strictEqual(asked.length, 2)
      })
      yield* Effect.provide(calls, answering(response, { ...patient, retryAfter: Duration.seconds(1) }))
    })
  )

  it.effect("is not waited for longer than the server has to send it", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const silent = HttpClient.make(() => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never))
      const waiting = yield* Effect.forkChild(Effect.provide(refusal(anyToken), tokensFrom(silent)))
      yield* Deferred.await(asked)
      yield* TestClock.adjust(jwksTimeout)
      assert.strictEqual((yield* Fiber.join(waiting))._tag, unavailableTag)
    })
  )

  it.live("ends within the limit of size, however long it is", () =>
    Effect.gen(function* () {
      const endless = () =>
        new Response(Stream.toReadableStream(Stream.forever(Stream.make(new Uint8Array(65_536).fill(32)))))
      const error = yield* Effect.provide(refusal(anyToken), answering(endless))
      assert.strictEqual(error._tag, unavailableTag)
    })
  )
})
