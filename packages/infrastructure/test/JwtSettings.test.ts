import { AccessTokens } from "@devops-mcp/core/ports/AccessTokens"
import * as JwtAccessTokens from "@devops-mcp/infrastructure/JwtAccessTokens"
import { jwtSettings } from "@devops-mcp/infrastructure/Settings"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Option, Redacted } from "effect"

describe("settings of access tokens", () => {
  const given = {
    JWT_ISSUER: "https://as.example.com",
    JWT_AUDIENCE: "https://mcp.example.com/mcp",
    JWT_JWKS_URL: "https://as.example.com/jwks"
  }
  const settings = (values: Readonly<Record<string, string>>) =>
    Effect.provide(
      Effect.suspend(() => jwtSettings),
      ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...values } }))
    )

  it.effect("are all there or none", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* settings({})))
      const all = yield* settings(given)
      assert.deepStrictEqual(
        Option.map(all, ({ jwksUrl, ...rest }) => ({ ...rest, jwksUrl: jwksUrl.href })),
        Option.some({ issuer: given.JWT_ISSUER, audience: given.JWT_AUDIENCE, jwksUrl: given.JWT_JWKS_URL })
      )
      for (const missing of ["JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS_URL"]) {
        const rest = Object.fromEntries(Object.entries(given).filter(([name]) => name !== missing))
        const error = yield* Effect.flip(settings(rest))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, "set together or not at all")
        assert.include(error.message, `at ["${missing}"]`)
        assert.notInclude(error.message, "example.com")
      }
    })
  )

  it.effect.each(["file:///etc/passwd", "as.example.com", ""])("take no %j as the address of keys", (url) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(settings({ ...given, JWT_JWKS_URL: url }))
      assert.instanceOf(error, Config.ConfigError)
      assert.include(error.message, "JWKS")
    })
  )

  it.effect("without them no token is good, and no key set is read", () =>
    Effect.gen(function* () {
      const tokens = yield* AccessTokens
      const error = yield* Effect.flip(tokens.verify(Redacted.make("header.claims.signature")))
      assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
    }).pipe(
      Effect.provide(JwtAccessTokens.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))))
    )
  )
})
