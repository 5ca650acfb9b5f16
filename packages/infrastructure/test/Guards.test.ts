import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { guardConfig, refusalOf } from "@devops-mcp/infrastructure/Guards"

const rulesOf = (variables: Record<string, string>) =>
  guardConfig.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(variables))))

describe("guards", () => {
  it.effect("let any name through when the server listens beyond loopback", () =>
    Effect.gen(function* () {
      const rules = yield* rulesOf({ HOST: "0.0.0.0" })
      assert.isUndefined(refusalOf({ host: "mcp.example.com" }, rules))
      assert.isUndefined(refusalOf({ host: "mcp.example.com", origin: "https://mcp.example.com" }, rules))
      assert.isDefined(refusalOf({ host: "mcp.example.com", origin: "https://evil.example.com" }, rules))
    })
  )

  it.effect("let only this machine's names through on loopback, with any port", () =>
    Effect.gen(function* () {
      const rules = yield* rulesOf({})
      for (const host of ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"]) {
        assert.isUndefined(refusalOf({ host }, rules))
      }
      for (const host of ["", "evil.com", "localhost.evil.com:8080", "127.0.0.1.evil.com", "evil.com#localhost"]) {
        assert.isDefined(refusalOf({ host }, rules))
      }
    })
  )

  it.effect("take configured origins literally", () =>
    Effect.gen(function* () {
      const rules = yield* rulesOf({ CORS_ORIGINS: " https://a.example.com ,https://b.example.com:8443" })
      const allowed = (origin: string) => refusalOf({ host: "localhost", origin }, rules) === undefined
      assert.isTrue(allowed("https://a.example.com"))
      assert.isTrue(allowed("https://b.example.com:8443"))
      assert.isFalse(allowed("http://a.example.com"))
      assert.isFalse(allowed("https://b.example.com"))
      assert.isFalse(allowed("https://a.example.com.evil.com"))
    })
  )
})
