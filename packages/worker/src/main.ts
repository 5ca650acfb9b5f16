import { BootstrapKeyLive } from "@devops-mcp/infrastructure/Bootstrap"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { HealthRoutes } from "@devops-mcp/observability/HealthRoutes"
import { Layer } from "effect"
import { WorkerLive } from "./Worker.ts"

/** The worker as a program of its own, on a schema that is up to date; over HTTP it tells its health and metrics. */
export const WorkerProgram = Layer.merge(serve(HealthRoutes), WorkerLive).pipe(
  Layer.provide(BootstrapKeyLive),
  Layer.provide(InfrastructureLive({ migrations: "require", gitRoots: [] }))
)
