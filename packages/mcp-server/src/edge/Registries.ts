import { Revocations } from "@devops-mcp/core/access/Revocations"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { Changes } from "@devops-mcp/core/changes/Changes"
import { Context, Effect, Layer } from "effect"
import { PromptRegistry } from "../registry/PromptRegistry.ts"
import { ResourceRegistry } from "../registry/ResourceRegistry.ts"
import { TaskRegistry } from "../registry/TaskRegistry.ts"
import { ToolRegistry } from "../registry/ToolRegistry.ts"

/** Everything that is offered over MCP, whatever the transport and the revision, the news of its changes, whom it serves no more, and what it writes down. */
export class Registries extends Context.Service<
  Registries,
  {
    readonly tools: ToolRegistry["Service"]
    readonly resources: ResourceRegistry["Service"]
    readonly prompts: PromptRegistry["Service"]
    readonly tasks: TaskRegistry["Service"]
    readonly changes: Changes["Service"]
    readonly audit: Audit["Service"]
    readonly revocations: Revocations["Service"]
  }
>()("@devops-mcp/mcp-server/edge/Registries") {
  static readonly layer = Layer.effect(
    Registries,
    Effect.all({
      tools: ToolRegistry,
      resources: ResourceRegistry,
      prompts: PromptRegistry,
      tasks: TaskRegistry,
      changes: Changes,
      audit: Audit,
      revocations: Revocations
    })
  ).pipe(
    Layer.provide([ToolRegistry.layer, ResourceRegistry.layer, PromptRegistry.layer]),
    Layer.provide(TaskRegistry.layer)
  )
}
