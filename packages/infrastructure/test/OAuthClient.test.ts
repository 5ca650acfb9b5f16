import { OAuthClient } from "@devops-mcp/core/ports/OAuthClient"
import { layerWith } from "@devops-mcp/infrastructure/OAuthClient"
import { oauthBreaker } from "@devops-mcp/resilience/Outages"
import { AuthorizationServer } from "@devops-mcp/testing/AuthorizationServer"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"

const Strict = layerWith({ allowPrivateNetwork: false }).pipe(
  Layer.provideMerge(AuthorizationServer.layer({ sub: "octocat" }))
)

const registration = (tokenEndpoint: string, allowPrivateNetwork: boolean) => ({
  provider: {
    authorizationEndpoint: tokenEndpoint,
    tokenEndpoint,
    revocationEndpoint: tokenEndpoint,
    clientAuthentication: "client_secret_post" as const,
    issRequired: false,
    clientId: "us",
    scopes: [],
    allowPrivateNetwork
  },
  clientSecret: Redacted.make("client-secret")
})

const refresh = (tokenEndpoint: string, allowPrivateNetwork = true) =>
  Effect.flatMap(OAuthClient, (client) =>
    client.refresh(registration(tokenEndpoint, allowPrivateNetwork), Redacted.make("refresh"))
  )

layer(Strict, { excludeTestServices: true })("OAuthClient", (it) => {
  it.effect("calls private addresses only for the providers whose administrator said so", () =>
    Effect.gen(function* () {
      const { issuer } = yield* AuthorizationServer
      const client = yield* OAuthClient
      assert.strictEqual((yield* Effect.flip(refresh(`${issuer}/token`, false))).reason, "forbidden")
      assert.strictEqual((yield* Effect.flip(client.discover(issuer, false))).reason, "forbidden")
      assert.strictEqual(
        (yield* Effect.flip(client.check(registration(`${issuer}/token`, false).provider))).reason,
        "forbidden"
      )
      yield* client.check(registration(`${issuer}/token`, true).provider)
      assert.isTrue(Redacted.value((yield* refresh(`${issuer}/token`)).accessToken).length > 0)
      assert.strictEqual((yield* client.discover(issuer, true)).tokenEndpoint, `${issuer}/token`)
    })
  )

  it.effect("never calls a link-local address", () =>
    Effect.gen(function* () {
      for (const host of ["169.254.169.254", "0xa9fea9fe", "[fe80::1]"]) {
        assert.strictEqual((yield* Effect.flip(refresh(`https://${host}/token`))).reason, "forbidden", host)
      }
    })
  )

  it.effect.each([
    ["more than we read", { access_token: "x".repeat(300_000), token_type: "Bearer" }],
    ["a token that no header takes", { access_token: "a\r\nb", token_type: "Bearer" }],
    ["a token of another kind", { access_token: "a", token_type: "DPoP" }],
    ["no token", { token_type: "Bearer" }],
    ["a lifetime that is none", { access_token: "a", token_type: "Bearer", expires_in: "soon" }]
  ] as const)("takes %s for no answer", ([, body]) =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      yield* server.onTokenRequest((_form, answer) => void (answer.body = { ...body }))
      assert.strictEqual((yield* Effect.flip(refresh(`${server.issuer}/token`))).reason, "invalid")
    })
  )

  it.effect("follows no redirect, and does not repeat what an error says", () =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      yield* server.onTokenRequest((_form, answer) => {
        answer.statusCode = 302
        answer.body = { access_token: "a", token_type: "Bearer" }
      })
      assert.strictEqual((yield* Effect.flip(refresh(`${server.issuer}/token`))).reason, "invalid")
      yield* server.onTokenRequest((_form, answer) => {
        answer.statusCode = 400
        answer.body = { error: "secret words <b>", error_description: "client-secret" }
      })
      const failure = yield* Effect.flip(refresh(`${server.issuer}/token`))
      assert.strictEqual(failure.reason, "refused")
      assert.notMatch(JSON.stringify(failure), /words|client-secret/)
    })
  )

  it.effect("takes scopes as GitHub writes them, and tokens without an end", () =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      yield* server.onTokenRequest((_form, answer) => {
        answer.body = { access_token: "gho_x", token_type: "bearer", scope: "repo,gist read:user" }
      })
      const tokens = yield* refresh(`${server.issuer}/token`)
      assert.deepStrictEqual(tokens.scopes, ["repo", "gist", "read:user"])
      assert.notProperty(tokens, "expiresIn")
    })
  )

  it.effect("says that a server does not answer", () =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      yield* server.stop
      assert.strictEqual((yield* Effect.flip(refresh(`${server.issuer}/token`))).reason, "unreachable")
    })
  )
})

// Apart from the others: its circuits do not close before them.
layer(Layer.fresh(Strict), { excludeTestServices: true })("OAuthClient and a server that is away", (it) => {
  it.effect("does not call the endpoint for a while, and calls its others", () =>
    Effect.gen(function* () {
      const server = yield* AuthorizationServer
      const answers = { count: 0, statusCode: 500, body: { error: "invalid_grant" } as Record<string, unknown> }
      yield* server.onTokenRequest((_form, answer) => {
        answers.count++
        answer.statusCode = answers.statusCode
        answer.body = answers.body
      })
      const failing = Effect.flip(refresh(`${server.issuer}/token`))
      // It says what is wrong with our request, so it is there.
      for (let index = 0; index <= oauthBreaker.failures; index++) {
        assert.deepInclude(yield* failing, { reason: "invalid", retryable: false })
      }
      answers.statusCode = 503
      answers.body = { error: "temporarily_unavailable" }
      answers.count = 0
      for (let index = 0; index < oauthBreaker.failures; index++) {
        const failure = yield* failing
        assert.deepInclude(failure, { reason: "unreachable", retryable: true })
        assert.include(failure.detail, "answers with 503")
      }
      const refused = yield* failing
      assert.deepInclude(refused, { reason: "unreachable", retryable: true })
      assert.include(refused.detail, "has not answered lately")
      assert.isAbove(refused.retryAfter ?? 0, 0)
      assert.strictEqual(answers.count, oauthBreaker.failures)
      const client = yield* OAuthClient
      assert.strictEqual((yield* client.discover(server.issuer, true)).tokenEndpoint, `${server.issuer}/token`)
    })
  )
})
