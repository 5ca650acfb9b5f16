import { HttpApiProgram } from "@devops-mcp/http-api/main"
import { BootstrapKeyLive } from "@devops-mcp/infrastructure/Bootstrap"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { McpProgram } from "@devops-mcp/mcp-server/main"
import { serveMcpStdio, stdioApiKey } from "@devops-mcp/mcp-server/McpStdio"
import { proxyMcpStdio } from "@devops-mcp/mcp-server/McpStdioProxy"
import { ToolRegistry } from "@devops-mcp/mcp-server/registry/ToolRegistry"
import { WorkerProgram } from "@devops-mcp/worker/main"
import { Config, Console, Effect, Layer, Option } from "effect"
import { HttpServer } from "effect/http"
import { runningInstance } from "../Instance.ts"
import { localUrl } from "./Start.ts"

const launch = <E, R>(name: string, program: Layer.Layer<HttpServer.HttpServer, E, R>) =>
  Effect.scoped(Effect.provide(
    Effect.gen(function*() {
      yield* Console.log(`DevOps MCP ${name} is ready at ${localUrl(yield* HttpServer.HttpServer)}`)
      return yield* Effect.never
    }),
    program
  ))

export const api = launch("HTTP API", HttpApiProgram)

export const worker = launch("worker", WorkerProgram)

export const mcp = launch("MCP server", McpProgram)

/** Beside a running `start` the home folder is taken, so its instance is asked; without one this process opens it. */
export const mcpOverStdio = Effect.gen(function*() {
  const configured = yield* Config.option(Config.String("DEVOPS_MCP_URL"))
  const url = Option.isSome(configured) ? configured : yield* runningInstance
  if (Option.isSome(url)) {
    return yield* proxyMcpStdio({ baseUrl: url.value.replace(/\/$/, ""), apiKey: yield* stdioApiKey })
  }
  const alone = Layer.provideMerge(
    Layer.merge(ToolRegistry.layer, BootstrapKeyLive),
    InfrastructureLive({ migrations: "run", gitRoots: [process.cwd()] })
  )
  yield* Effect.provide(serveMcpStdio(), alone)
})
