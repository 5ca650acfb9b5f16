import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { McpRoutes } from "../src/McpRoutes.ts"
import { RegistryFake } from "./Fakes.ts"

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

/** The real routes on a real socket, over ports that answer from memory. */
export const TestServer = Layer.merge(
  HttpRouter.serve(McpRoutes, { disableLogger: true, disableListenLog: true }),
  Address.layer
).pipe(
  // The clients keep idle connections for seconds; nothing of theirs is worth the wait.
  Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: 0 })),
  Layer.provideMerge(RegistryFake),
  Layer.provideMerge(FetchHttpClient.layer),
  Layer.provide(
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({
        CORS_ORIGINS: "https://console.example.com, https://other.example.com",
        MAX_BODY_BYTES: String(bodyLimit)
      })
    )
  )
)
