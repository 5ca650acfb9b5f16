import { BootstrapKeyLive } from "@devops-mcp/infrastructure/Bootstrap"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { HealthRoutes } from "@devops-mcp/observability/HealthRoutes"
import { Layer } from "effect"
import { McpRoutes } from "./McpRoutes.ts"
import { Registries } from "./edge/Registries.ts"

/** The MCP server as a program of its own, on a schema that is up to date. */
export const McpProgram = serve(Layer.mergeAll(McpRoutes, HealthRoutes)).pipe(
  Layer.provide([BootstrapKeyLive, Registries.layer]),
  Layer.provide(InfrastructureLive({ migrations: "require", gitRoots: [] }))
)
