import { localUrl } from "@devops-mcp/cli/LocalUrl"
import { BootstrapKeyLive } from "@devops-mcp/infrastructure/Bootstrap"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { Registries } from "@devops-mcp/mcp-server/edge/Registries"
import { McpRoutes } from "@devops-mcp/mcp-server/McpRoutes"
import * as Logging from "@devops-mcp/observability/Logging"
import { HealthRoutes } from "@devops-mcp/observability/HealthRoutes"
import { WorkerLive } from "@devops-mcp/worker/Worker"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { checkout } from "../Program.ts"
import { ConformanceFixtures, ConformanceTaskRunners } from "./ConformanceFixtures.ts"

/** Where the server with the fixtures listens, without a path. */
export class FixtureServer extends Context.Service<FixtureServer, { readonly url: string }>()(
  "@devops-mcp/testing/mcp-fixtures/FixtureServer"
) {
  /**
   * MCP server and worker in this process, composed as production composes them, with the fixtures beside the real
   * tools. It reads no environment but what is given.
   */
  static readonly layer = (environment: Record<string, string>) =>
    Layer.effect(
      FixtureServer,
      Effect.map(localUrl, (url) => ({ url }))
    ).pipe(
      Layer.provide(Layer.merge(serve(Layer.mergeAll(McpRoutes, HealthRoutes)), WorkerLive)),
      Layer.provide(Registries.layer),
      Layer.provide(ConformanceFixtures),
      Layer.provide(BootstrapKeyLive),
      Layer.provide(InfrastructureLive({ gitRoots: [checkout], migrations: "run", onProgress: () => Effect.void })),
      Layer.provide(ConformanceTaskRunners),
      Layer.provide(Logging.layer),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0", LOG_LEVEL: "warn", ...environment })))
    )
}
