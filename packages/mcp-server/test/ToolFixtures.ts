import type { ToolAnnotations } from "@devops-mcp/contract/McpTools"
import type { RegisteredTool } from "../src/registry/RegisteredTool.ts"

export const reads: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false
}

export const writes: ToolAnnotations = { ...reads, readOnlyHint: false, idempotentHint: false }

/** A tool for tests that look at definitions only. */
export const registeredTool = (
  name: string,
  options: {
    readonly toolset?: string
    readonly title?: string
    readonly description?: string
    readonly annotations?: ToolAnnotations
    readonly parameters?: ReadonlyArray<string>
  } = {}
): RegisteredTool => {
  const { annotations = reads, description = "", parameters = [], title = name, toolset = "fake" } = options
  const properties = Object.fromEntries(parameters.map((parameter) => [parameter, { type: "string" }]))
  return {
    definition: {
      name,
      title,
      description,
      inputSchema: { type: "object", properties },
      outputSchema: { type: "object" },
      annotations: { title, ...annotations }
    },
    toolset,
    scope: annotations.readOnlyHint ? "tools:read" : "tools:execute",
    execution: "inline",
    headers: []
  }
}
