import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { listening } from "@devops-mcp/testing/SecretWatch"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ConfigProvider, Context, DateTime, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { McpHttp } from "../src/http/McpHttp.ts"
import { McpRoutes } from "../src/McpRoutes.ts"
import { principalOf, RegistriesFake } from "./Fakes.ts"

/** Where the server under test listens. */
export class Address extends Context.Service<
  Address,
  {
    readonly baseUrl: string
    readonly url: string
  }
>()("@devops-mcp/mcp-server/test/TestServer/Address") {
  static readonly layer = Layer.effect(
    Address,
    Effect.map(HttpServer.HttpServer, ({ address }) => {
      const baseUrl = `http://localhost:${"port" in address ? address.port : 0}`
      return { baseUrl, url: `${baseUrl}/mcp` }
    })
  )
}

/** Largest body that the server under test takes. */
export const bodyLimit = 2000

/** Sessions are rows of a tenant that exists. */
const SessionsLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const tenants = yield* TenantRepository
    const { tenantId } = principalOf("viewer")
    yield* tenants.create({ id: tenantId, name: "fake", createdAt: yield* DateTime.now })
  })
).pipe(Layer.provideMerge(RepositoriesLive), Layer.provide(TestDatabase))

const Environment = ConfigProvider.layer(
  ConfigProvider.fromUnknown({
    PORT: "0",
    CORS_ORIGINS: "https://console.example.com, https://other.example.com",
    MAX_BODY_BYTES: String(bodyLimit)
  })
)

/** The real routes on a real socket; sessions are in a database, everything else answers from memory. */
export const TestServer = Layer.merge(
  HttpRouter.serve(McpHttp, { disableLogger: true, disableListenLog: true }),
  Address.layer
).pipe(
  // The clients keep idle connections for seconds; nothing of theirs is worth the wait.
  Layer.provide(
    NodeHttpServer.layer(createServer, {
      port: 0,
      host: "127.0.0.1",
      gracefulShutdownTimeout: 0
    })
  ),
  Layer.provideMerge(RegistriesFake),
  Layer.provide([SessionsLive, BusMemory.layer]),
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provide([Environment, listening(globalThis.runWatch)])
)

/** The same behind what production puts around its routes: limits of connections, and answers where no route is. */
const onEdge = <E, R>(routes: Layer.Layer<never, E, R>) =>
  Address.layer.pipe(
    Layer.provideMerge(serve(routes)),
    Layer.provideMerge(RegistriesFake),
    Layer.provide([SessionsLive, BusMemory.layer, SecureRandom.layerWebCrypto]),
    Layer.provide([Environment, listening(globalThis.runWatch)])
  )

export const EdgeServer = onEdge(McpHttp)

/** All transports that go over HTTP. */
export const EveryTransport = onEdge(McpRoutes)
