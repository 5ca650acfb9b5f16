import { HttpApiProgram } from "@devops-mcp/http-api/main"
import { McpProgram } from "@devops-mcp/mcp-server/main"
import { WorkerProgram } from "@devops-mcp/worker/main"
import { Console, Effect, type Layer } from "effect"
import type { HttpServer } from "effect/http"
import { localUrl } from "../LocalUrl.ts"

const launch = <E, R>(name: string, program: Layer.Layer<HttpServer.HttpServer, E, R>) =>
  Effect.scoped(
    Effect.provide(
      Effect.gen(function* () {
        yield* Console.log(`DevOps MCP ${name} is ready at ${yield* localUrl}`)
        return yield* Effect.never
      }),
      program
    )
  )

export const api = launch("HTTP API", HttpApiProgram)

export const worker = launch("worker", WorkerProgram)

export const mcp = launch("MCP server", McpProgram)
