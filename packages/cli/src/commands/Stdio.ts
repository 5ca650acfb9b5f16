import { BootstrapKeyLive } from "@devops-mcp/infrastructure/Bootstrap"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { serveMcpStdio } from "@devops-mcp/mcp-server/McpStdio"
import { ToolRegistry } from "@devops-mcp/mcp-server/registry/ToolRegistry"
import { Effect, Layer } from "effect"

/** Serves MCP over standard input and output from this process, which opens the stores itself. */
export const run = Effect.provide(
  serveMcpStdio(),
  Layer.provideMerge(
    Layer.merge(ToolRegistry.layer, BootstrapKeyLive),
    InfrastructureLive({ migrations: "run", gitRoots: [process.cwd()] })
  )
)
