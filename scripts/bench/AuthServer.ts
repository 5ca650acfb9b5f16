/**
 * One route that does nothing, served several times in this process, each time behind more of what stands before every
 * route of the HTTP API. The first line that it prints is where `/subjects` lists them, and `/metrics` says what the
 * process uses.
 */
import { guarded, requires } from "@devops-mcp/contract/Authorization"
import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { Limits } from "@devops-mcp/core/limits/Limits"
import { AuthorizationLive } from "@devops-mcp/http-api/Authorization"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { HealthRoutes } from "@devops-mcp/observability/HealthRoutes"
import { AuthorizationServer } from "@devops-mcp/testing/AuthorizationServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { ConfigProvider, Console, Context, Effect, Layer, Redacted, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

const audience = "https://bench.example.com"

const read = HttpApiEndpoint.get("read", "/read", { success: Schema.Struct({ ok: Schema.Boolean }) })
const readIt = () => Effect.succeed({ ok: true })

const OpenApi = HttpApi.make("open").add(HttpApiGroup.make("noop").add(read))
const GuardedApi = HttpApi.make("guarded").add(guarded("noop", read.pipe(requires("contexts:read"))))

const openRoutes = HttpApiBuilder.layer(OpenApi).pipe(
  Layer.provide(HttpApiBuilder.group(OpenApi, "noop", (handlers) => Effect.succeed(handlers.handle("read", readIt))))
)

const guardedRoutes = Layer.fresh(
  HttpApiBuilder.layer(GuardedApi).pipe(
    Layer.provide(
      HttpApiBuilder.group(GuardedApi, "noop", (handlers) => Effect.succeed(handlers.handle("read", readIt)))
    ),
    Layer.provide(AuthorizationLive)
  )
)

const NoLimits = Layer.succeed(Limits, {
  address: () => Effect.void,
  login: (_address, _credential, authenticate) => authenticate,
  caller: () => Effect.succeed({ limit: 1, remaining: 1, resetAfter: 0 }),
  running: () => (request) => request
})

const NoAudit = Layer.succeed(Audit, {
  record: () => Effect.void,
  repeated: () => Effect.void,
  refused: () => Effect.void
})

/** Serves on a free port until the scope closes, and tells the address. */
const listening = Effect.fnUntraced(function* <E, R>(server: Layer.Layer<HttpServer.HttpServer, E, R>) {
  const { address } = Context.get(yield* Layer.build(Layer.fresh(server)), HttpServer.HttpServer)
  return `http://127.0.0.1:${"port" in address ? address.port : 0}`
})

const Subjects = Effect.gen(function* () {
  const keys = yield* ApiKeys
  const { secret, tenant } = yield* keys.issue({ name: "bench", role: "viewer" })
  const key = Redacted.value(secret)
  const authorizationServer = yield* AuthorizationServer
  const jwt = yield* authorizationServer.token({ claims: { tenant_id: tenant.id } })

  const open = yield* listening(serve(openRoutes).pipe(Layer.provide([NoLimits, NoAudit])))
  const known = yield* listening(serve(guardedRoutes).pipe(Layer.provide([NoLimits, NoAudit])))
  const limited = yield* listening(serve(guardedRoutes).pipe(Layer.provide(NoAudit)))
  const audited = yield* listening(serve(guardedRoutes))
  return [
    { name: "open", url: open },
    { name: "API key, permission", url: known, token: key },
    { name: "JWT, permission, limiter", url: limited, token: jwt },
    { name: "API key, permission, limiter", url: limited, token: key },
    { name: "API key, permission, limiter, audit", url: audited, token: key }
  ]
})

const SubjectsRoute = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    yield* router.add("GET", "/subjects", HttpServerResponse.jsonUnsafe(yield* Subjects))
  })
)

/** The authorization server's address is known only once it listens. */
const Environment = Layer.unwrap(
  Effect.map(AuthorizationServer, ({ issuer, jwksUrl }) =>
    ConfigProvider.layerAdd(
      ConfigProvider.fromUnknown({ JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWT_JWKS_URL: jwksUrl.href })
    )
  )
)

const claims = { sub: "bench", aud: audience, scope: "contexts:read", exp: 4_000_000_000 }

const Announced = Layer.effectDiscard(
  Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
    Console.log(`http://127.0.0.1:${"port" in address ? address.port : 0}`)
  )
)

const Main = Announced.pipe(
  Layer.provide(serve(Layer.merge(SubjectsRoute, HealthRoutes))),
  Layer.provide(InfrastructureLive({ migrations: "run", gitRoots: [] })),
  Layer.provide(Environment),
  Layer.provide(AuthorizationServer.layer(claims))
)

NodeRuntime.runMain(Layer.launch(Main))
