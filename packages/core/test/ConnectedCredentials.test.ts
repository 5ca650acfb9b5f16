import { NotConnected } from "@devops-mcp/core/connections/AccessTokens"
import { makeConnectedCredentials } from "@devops-mcp/core/connections/ConnectedCredentials"
import { Connections } from "@devops-mcp/core/connections/Connections"
import { OAuthFailure } from "@devops-mcp/core/ports/OAuthClient"
import { TenantId, ToolId } from "@devops-mcp/domain/Ids"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted } from "effect"
import { principalOf } from "./Fakes.ts"

const epoch = DateTime.makeUnsafe(0)
const caller = principalOf(freshId(TenantId), "agent")

const toolWith = (config: Record<string, string>) => ({
  id: freshId(ToolId),
  name: "forge",
  kind: "fake",
  config,
  version: 1,
  createdAt: epoch,
  updatedAt: epoch
})

const ConnectionsFake = Layer.mock(Connections, {
  accessToken: ({ actor }, provider) => {
    if (provider === "acme") return Effect.succeed(Redacted.make(`token of ${actor}`))
    if (provider === "absent") return Effect.fail(new NotConnected({ provider, status: "absent" }))
    return Effect.fail(new OAuthFailure({ operation: "refresh", reason: "unreachable", detail: "No answer" }))
  }
})

const credentials = Effect.fnUntraced(function* (
  config: Record<string, string>,
  stored?: Redacted.Redacted<{ a: number }>
) {
  const connected = yield* makeConnectedCredentials
  const found = yield* connected(caller, toolWith(config), stored)
  return found === undefined ? undefined : Redacted.value(found)
})

layer(ConnectionsFake)("the credentials of a tool", (it) => {
  it.effect("are its own when it names no provider", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* credentials({}))
      assert.deepStrictEqual(yield* credentials({}, Redacted.make({ a: 1 })), { a: 1 })
    })
  )

  it.effect("have the token of the caller's account when it does", () =>
    Effect.gen(function* () {
      const accessToken = `token of ${caller.actor}`
      assert.deepStrictEqual(yield* credentials({ oauthProvider: "acme" }), { accessToken })
      assert.deepStrictEqual(yield* credentials({ oauthProvider: "acme" }, Redacted.make({ a: 1 })), {
        a: 1,
        accessToken
      })
    })
  )

  it.effect("are missing without an account, and the failure says how to connect one", () =>
    Effect.gen(function* () {
      const absent = yield* Effect.flip(credentials({ oauthProvider: "absent" }))
      assert.deepInclude(absent, { code: "failed", retryable: false })
      assert.include(String(absent), "/api/v1/connections")
      assert.deepInclude(yield* Effect.flip(credentials({ oauthProvider: "down" })), {
        code: "unavailable",
        retryable: true
      })
    })
  )
})
