import type { ToolAnnotations } from "@devops-mcp/contract/McpTools"
import type { JsonSchemaDocument } from "@devops-mcp/domain/Tool"
import type { Schema } from "effect"

/** A JSON Schema with an object at the top; MCP allows nothing else. */
export type ObjectSchema = Schema.JsonObject & { readonly type: "object" }

export const objectSchema = (document: typeof JsonSchemaDocument.Type): ObjectSchema => ({
  ...document,
  type: "object"
})

/** A tool as agents see it: everything that `tools/list` says about it, as plain JSON. */
export interface RegisteredTool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: ObjectSchema
  readonly outputSchema: ObjectSchema
  readonly annotations: ToolAnnotations
}

/** Why a call did not give a result. `detail` is a sentence for the agent; `code` is stable and for programs. */
export interface ToolError {
  readonly code: string
  readonly detail: string
  readonly retryable: boolean
}

/** What a call gives: a result that fits the tool's `outputSchema`, with the same as compact JSON, or an error. */
export type ToolOutcome =
  | { readonly _tag: "Result"; readonly structured: Schema.JsonObject; readonly text: string }
  | { readonly _tag: "Error"; readonly error: ToolError }

export const errorOutcome = (code: string, detail: string, retryable: boolean): ToolOutcome => ({
  _tag: "Error",
  error: { code, detail, retryable }
})

/** Names of a tool's arguments. */
export const argumentsOf = ({ properties = null }: typeof JsonSchemaDocument.Type): ReadonlyArray<string> =>
  properties !== null && typeof properties === "object" ? Object.keys(properties) : []

/** Arguments as they arrive: JSON, not yet held against any schema. */
export type RawArguments = Readonly<Record<string, unknown>>
