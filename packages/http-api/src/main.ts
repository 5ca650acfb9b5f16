import { BootstrapKeyLive } from "@devops-mcp/infrastructure/Bootstrap"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { HealthRoutes } from "@devops-mcp/observability/HealthRoutes"
import { Layer } from "effect"
import { HttpApiRoutes } from "./HttpApiRoutes.ts"

/** The HTTP API as a program of its own, on a schema that is up to date. */
export const HttpApiProgram = serve(Layer.mergeAll(HttpApiRoutes, HealthRoutes)).pipe(
  Layer.provide(BootstrapKeyLive),
  Layer.provide(InfrastructureLive({ migrations: "require", gitRoots: [] }))
)
