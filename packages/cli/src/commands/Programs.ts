import { HttpApiProgram } from "@devops-mcp/http-api/main"
import { BootstrapKeyLive } from "@devops-mcp/infrastructure/Bootstrap"
import { InfrastructureLive } from "@devops-mcp/infrastructure/Infrastructure"
import { McpProgram } from "@devops-mcp/mcp-server/main"
import { serveMcpStdio, stdioApiKey } from "@devops-mcp/mcp-server/McpStdio"
import { proxyMcpStdio } from "@devops-mcp/mcp-server/McpStdioProxy"
import { ToolRegistry } from "@devops-mcp/mcp-server/registry/ToolRegistry"
import { WorkerProgram } from "@devops-mcp/worker/main"
import { Config, Console, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
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

export const api = Command.make("api", {}, () => launch("HTTP API", HttpApiProgram)).pipe(
  Command.withDescription("Run the HTTP API")
)

export const worker = Command.make("worker", {}, () => launch("worker", WorkerProgram)).pipe(
  Command.withDescription("Run the worker")
)

/** Beside a running `start` the home folder is taken, so its instance is asked; without one this process opens it. */
const stdio = Effect.gen(function*() {
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

export const mcp = Command.make(
  "mcp",
  {
    stdio: Flag.Boolean("stdio").pipe(
      Flag.withDescription("Speak over standard input and output, with the key in DEVOPS_MCP_API_KEY"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*(flags) {
    if (flags.stdio) yield* stdio
    else yield* launch("MCP server", McpProgram)
  })
).pipe(Command.withDescription("Run the MCP server"))
