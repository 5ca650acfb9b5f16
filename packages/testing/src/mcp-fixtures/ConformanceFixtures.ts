import { Changes } from "@devops-mcp/core/changes/Changes"
import { MoreTaskRunners } from "@devops-mcp/core/tasks/TaskRunner"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { MorePrompts } from "@devops-mcp/mcp-server/registry/Prompts"
import { MoreResourceSources } from "@devops-mcp/mcp-server/registry/Resources"
import { MoreToolSources } from "@devops-mcp/mcp-server/registry/ToolSource"
import { Effect, Layer } from "effect"
import { askingTools } from "./AskingTools.ts"
import { contentTools } from "./ContentTools.ts"
import { prompts } from "./FixturePrompts.ts"
import { resourceSources } from "./FixtureResources.ts"
import { taskRunners, taskTools } from "./TaskTools.ts"

/** The work behind the fixtures' tasks; whatever runs tasks has to be built on this. */
export const ConformanceTaskRunners = Layer.succeed(MoreTaskRunners, taskRunners)

/**
 * What MCP's conformance suite looks for in a server, under the names that it has fixed. Test-only: production has the
 * references' defaults, which are empty.
 */
export const ConformanceFixtures = Layer.mergeAll(
  Layer.effect(
    MoreToolSources,
    Effect.gen(function* () {
      const tools = [...contentTools(yield* Changes), ...askingTools, ...taskTools(yield* Tasks)]
      const byName = new Map(tools.map((tool) => [tool.tool.definition.name, tool]))
      return [{ tools: () => Effect.succeed(byName) }]
    })
  ),
  Layer.succeed(MoreResourceSources, resourceSources),
  Layer.succeed(MorePrompts, prompts)
)
