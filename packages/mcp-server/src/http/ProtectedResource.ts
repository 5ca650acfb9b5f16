import { Scope } from "@devops-mcp/domain/Principal"
import { jwtSettings, publicUrl } from "@devops-mcp/infrastructure/Settings"
import { Effect, Option, Result } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"

const wellKnown = "/.well-known/oauth-protected-resource"

/** Of the server as a whole, and of `/mcp` and each address below it: all are the one resource. */
const paths = [
  wellKnown,
  `${wellKnown}/mcp`,
  `${wellKnown}/mcp/readonly`,
  `${wellKnown}/mcp/x/:toolsets`,
  `${wellKnown}/mcp/x/:toolsets/readonly`
] as const

/** Public, and read by clients inside web pages too. */
const headers = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET",
  "access-control-allow-headers": "*",
  "cache-control": "public, max-age=600"
}

/** The base of our own addresses: `PUBLIC_URL`, else the host that the caller used. */
const makeBaseUrl = Effect.map(publicUrl, (configured) => {
  const base = Option.map(configured, (url) => `${url.origin}${url.pathname}`.replace(/\/+$/, ""))
  return (request: HttpServerRequest.HttpServerRequest) =>
    Option.orElse(base, () => Option.map(HttpServerRequest.toURL(request), (url) => url.origin))
})

const isHttpUrl = (value: string) =>
  Result.match(
    Result.try(() => new URL(value)),
    { onFailure: () => false, onSuccess: ({ protocol }) => ["http:", "https:"].includes(protocol) }
  )

/** Tells for a request where the metadata of the resource are, for its challenge. */
export const makeMetadataUrl = Effect.map(
  makeBaseUrl,
  (baseUrl) => (request: HttpServerRequest.HttpServerRequest) =>
    Option.getOrUndefined(Option.map(baseUrl(request), (base) => `${base}${wellKnown}/mcp`))
)

/**
 * RFC 9728: which resource this is and who gives out tokens for it. Tokens are for one audience, so an audience that
 * is an address is the resource's, whatever host the caller used.
 */
export const ProtectedResourceRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const baseUrl = yield* makeBaseUrl
    const jwt = yield* jwtSettings
    const audience = Option.filter(
      Option.map(jwt, (settings) => settings.audience),
      isHttpUrl
    )

    const describe = (base: string) => ({
      resource: Option.getOrElse(audience, () => `${base}/mcp`),
      ...Option.match(jwt, { onNone: () => ({}), onSome: ({ issuer }) => ({ authorization_servers: [issuer] }) }),
      scopes_supported: Scope.literals,
      bearer_methods_supported: ["header"],
      resource_name: "DevOps MCP",
      resource_documentation: `${base}/docs`
    })

    const answer = (request: HttpServerRequest.HttpServerRequest) =>
      Option.match(baseUrl(request), {
        onNone: () => HttpServerResponse.empty({ status: 400 }),
        onSome: (base) => HttpServerResponse.jsonUnsafe(describe(base), { headers })
      })

    for (const path of paths) {
      yield* router.add("GET", path, (request) => Effect.succeed(answer(request)))
      yield* router.add("OPTIONS", path, HttpServerResponse.empty({ status: 204, headers }))
    }
  })
)
