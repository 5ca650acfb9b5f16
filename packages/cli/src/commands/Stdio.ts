import { BootstrapKeyLive } from "@devops-mcp/infrastructure/Bootstrap"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { Registries } from "@devops-mcp/mcp-server/edge/Registries"
import { serveMcpStdio } from "@devops-mcp/mcp-server/McpStdio"
import { Effect, Layer } from "effect"

/** Serves MCP over standard input and output from this process, which opens the stores itself. */
export const run = Effect.provide(
  serveMcpStdio(),
  Layer.provideMerge(
    Layer.merge(Registries.layer, BootstrapKeyLive),
    InfrastructureLive({ migrations: "run", gitRoots: [process.cwd()] })
  )
)
