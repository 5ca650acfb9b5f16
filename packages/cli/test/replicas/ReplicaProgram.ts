import { localUrl } from "@devops-mcp/cli/LocalUrl"
import { McpProgram } from "@devops-mcp/mcp-server/main"
import { MoreToolSources, type RunnableTool } from "@devops-mcp/mcp-server/registry/ToolSource"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"

/** Says two things and then nothing more: a call in whose middle a replica can die. */
const steps: RunnableTool = {
  tool: {
    definition: {
      name: "steps",
      title: "Steps",
      description: "Says two things.",
      inputSchema: { type: "object" },
      annotations: {
        title: "Steps",
        readOnlyHint: true,
        destructiveHint: false,
        idempotentHint: true,
        openWorldHint: false
      }
    },
    toolset: "test",
    scope: "tools:read",
    execution: "inline",
    headers: []
  },
  run: ({ client }) =>
    client
      .log("debug", "not asked for")
      .pipe(
        Effect.andThen(client.log("info", "first")),
        Effect.andThen(client.log("info", "second")),
        Effect.andThen(Effect.never)
      )
}

/** The MCP server as `devops-mcp mcp` runs it, with one tool more. */
NodeRuntime.runMain(
  Effect.scoped(
    Effect.provide(
      Effect.gen(function* () {
        yield* Console.log(`The replica is ready at ${yield* localUrl}`)
        return yield* Effect.never
      }),
      Layer.provide(
        McpProgram,
        Layer.succeed(MoreToolSources, [{ tools: () => Effect.succeed(new Map([["steps", steps]])) }])
      )
    )
  )
)
