import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { Connections } from "@devops-mcp/core/connections/Connections"
import { OAuthProviders } from "@devops-mcp/core/connections/OAuthProviders"
import { scopesOf } from "@devops-mcp/core/Policy"
import { Secrets } from "@devops-mcp/core/secrets/Secrets"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { ApiKeyId, type TenantId } from "@devops-mcp/domain/Ids"
import type { Principal, Role } from "@devops-mcp/domain/Principal"
import * as OAuthClientLive from "@devops-mcp/infrastructure/OAuthClient"
import { AuthorizationServer, type TokenAnswer } from "@devops-mcp/testing/AuthorizationServer"
import { freshId, freshTenant, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Context, Effect, Layer, Logger, Redacted, References } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"

export const logged: Array<string> = []

const Logs = Layer.mergeAll(
  Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))]),
  Layer.succeed(References.MinimumLogLevel, "Trace")
)

/** The use-cases of another replica, on the same database and cache. */
export class OtherReplica extends Context.Service<OtherReplica, Connections["Service"]>()(
  "@devops-mcp/infrastructure/test/ConnectionsFixtures/OtherReplica"
) {
  static readonly layer = Layer.effect(OtherReplica, Connections).pipe(Layer.provide(Layer.fresh(Connections.layer)))
}

export const TestLayer = Layer.merge(Connections.layer, OtherReplica.layer).pipe(
  Layer.provideMerge(OAuthProviders.layer),
  Layer.provideMerge(Layer.merge(Secrets.layer, OAuthClientLive.layerWith({ allowPrivateNetwork: true }))),
  Layer.provideMerge(RepositoriesLive),
  Layer.provideMerge(
    Layer.mergeAll(
      TestDatabase,
      TestSigningKey,
      CacheMemory.layer,
      NodeCrypto.layer,
      FetchHttpClient.layer,
      AuthorizationServer.layer({ sub: "octocat" }),
      Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Logs
    )
  )
)

export const callback = "https://devops-mcp.example.com/oauth/callback"

export const principalOf = (tenantId: TenantId, role: Role = "agent"): Principal => ({
  tenantId,
  credential: "api_key",
  actor: freshId(ApiKeyId),
  name: "build agent",
  role,
  scopes: scopesOf(role)
})

export const clientSecret = "client-secret-that-nobody-sees"

/** A tenant with the test's authorization server as its provider `acme`, and a caller in it. */
export const setUp = Effect.fnUntraced(function* (role: Role = "agent") {
  const tenantId = yield* freshTenant
  const { issuer } = yield* AuthorizationServer
  const provider = yield* (yield* OAuthProviders).create(tenantId, {
    name: "acme",
    issuer,
    clientId: "devops-mcp",
    clientSecret: Redacted.make(clientSecret),
    scopes: ["repo", "read:user"]
  })
  return { tenantId, provider, caller: principalOf(tenantId, role) }
})

/** Allows the connection in a browser; what it brings back. */
export const allow = Effect.fnUntraced(function* (authorizationUrl: string) {
  const response = yield* HttpClient.get(authorizationUrl)
  const parameters = new URL(response.headers["location"] ?? "").searchParams
  return { code: parameters.get("code") ?? "", state: parameters.get("state") ?? "" }
})

export const start = (caller: Principal, shared = false) =>
  Effect.flatMap(Connections, (connections) => connections.start(caller, { provider: "acme", shared }, callback))

export const complete = (answer: { readonly code: string; readonly state: string; readonly iss?: string }) =>
  Effect.flatMap(Connections, (connections) => connections.complete(answer))

export const connect = Effect.fnUntraced(function* (caller: Principal, shared = false) {
  const { authorizationUrl } = yield* start(caller, shared)
  return yield* complete(yield* allow(authorizationUrl))
})

export const accessToken = (caller: Principal) =>
  Effect.flatMap(Connections, (connections) => Effect.map(connections.accessToken(caller, "acme"), Redacted.value))

export const refusedTag = "@devops-mcp/core/connections/Connections/ConnectionRefused"
export const notConnectedTag = "@devops-mcp/core/connections/AccessTokens/NotConnected"

/** A server that gives numbered tokens, each access token with this lifetime, and takes a refresh token once. */
export const rotating = (lifetimes: { readonly first: number; readonly later: number }) => {
  const requests: Array<unknown> = []
  let number = 0
  const change = (form: Readonly<Record<string, unknown>>, answer: TokenAnswer) => {
    requests.push(form["grant_type"])
    if (form["grant_type"] === "refresh_token" && form["refresh_token"] !== `refresh-${number}`) {
      answer.statusCode = 400
      answer.body = { error: "invalid_grant", error_description: "secret words" }
      return
    }
    number++
    answer.body = {
      access_token: `access-${number}`,
      refresh_token: `refresh-${number}`,
      token_type: "Bearer",
      expires_in: number === 1 ? lifetimes.first : lifetimes.later
    }
  }
  return { change, requests }
}

/** Has the authorization server answer otherwise until the test ends. */
export const serve = (change: (form: Readonly<Record<string, unknown>>, answer: TokenAnswer) => void) =>
  Effect.flatMap(AuthorizationServer, ({ onTokenRequest }) =>
    Effect.acquireRelease(onTokenRequest(change), () => onTokenRequest(() => {}))
  )
