import type { ToolAnnotations } from "@devops-mcp/contract/McpTools"
import type { Scope } from "@devops-mcp/domain/Principal"
import type { Task } from "@devops-mcp/domain/Task"
import type { JsonSchemaDocument } from "@devops-mcp/domain/Tool"
import type { Schema } from "effect"

/** A JSON Schema with an object at the top; MCP allows nothing else. */
export type ObjectSchema = Schema.JsonObject & { readonly type: "object" }

export const objectSchema = (document: typeof JsonSchemaDocument.Type): ObjectSchema => ({
  ...document,
  type: "object"
})

/** How a tool may be run: in the call, as a task for clients that can, or only as a task. */
export type Execution = "inline" | "task" | "task-required"

/** A tool as `tools/list` shows it: plain JSON, made once. */
export interface ToolDefinition {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: ObjectSchema
  readonly outputSchema?: ObjectSchema
  /** The four hints, and the title once more: revisions before 2025-06-18 know it here only. */
  readonly annotations: ToolAnnotations & { readonly title: string }
}

/** A tool with what the registry must know to offer it: where it belongs, what it takes, how it runs. */
export interface RegisteredTool {
  readonly definition: ToolDefinition
  readonly toolset: string
  readonly scope: Scope
  readonly execution: Execution
  /** Arguments that `Mcp-Param-*` headers repeat, by their path in the arguments (`x-mcp-header` in the schema). */
  readonly headers: ReadonlyArray<ParamHeader>
}

/** `name` is the header's, without `Mcp-Param-`. */
export interface ParamHeader {
  readonly name: string
  readonly path: ReadonlyArray<string>
}

/** Why a call did not give a result. `detail` is a sentence for the agent; `code` is stable and for programs. */
export interface ToolError {
  readonly code: string
  readonly detail: string
  readonly retryable: boolean
  /** What programs need to go on, such as the token of a confirmation. */
  readonly data?: Schema.JsonObject
}

/** A block of MCP content (text, image, audio, resource, resource_link), as plain JSON. */
export type ContentBlock = Schema.JsonObject & { readonly type: string }

/** A question to the client's user, model or workspace: the method and params of an embedded request. */
export interface InputRequest {
  readonly method: "elicitation/create" | "sampling/createMessage" | "roots/list"
  readonly params?: Schema.JsonObject
}

/**
 * What a call gives: a result that fits the tool's `outputSchema` with the same as compact JSON, content as it is, an
 * error, questions that must be answered first (with a state that comes back with the answers), or a task.
 */
export type ToolOutcome =
  | {
      readonly _tag: "Result"
      readonly structured: Schema.JsonObject
      readonly text: string
      /** Further blocks, such as a link to what was cut. */
      readonly links?: ReadonlyArray<ContentBlock>
    }
  | {
      readonly _tag: "Content"
      readonly content: ReadonlyArray<ContentBlock>
      readonly structured?: Schema.JsonObject
      readonly isError: boolean
    }
  | { readonly _tag: "Error"; readonly error: ToolError }
  | {
      readonly _tag: "InputRequired"
      readonly requests: Readonly<Record<string, InputRequest>>
      readonly state?: Schema.Json
    }
  | { readonly _tag: "Task"; readonly task: Task }

export const errorOutcome = (code: string, detail: string, retryable: boolean): ToolOutcome => ({
  _tag: "Error",
  error: { code, detail, retryable }
})

/** Names of a tool's arguments. */
export const argumentsOf = ({ properties = null }: typeof JsonSchemaDocument.Type): ReadonlyArray<string> =>
  properties !== null && typeof properties === "object" ? Object.keys(properties) : []

/** Arguments as they arrive: JSON, not yet held against any schema. */
export type RawArguments = Readonly<Record<string, unknown>>
