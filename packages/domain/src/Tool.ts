import { Schema } from "effect"
import { Metadata, Timestamp } from "./Fields.ts"
import { ToolId } from "./Ids.ts"

/** `read` changes nothing, `write` can be undone, `destructive` cannot. */
export const Risk = Schema.Literals(["read", "write", "destructive"])
export type Risk = typeof Risk.Type

/** Lower case, starts with a letter; with the action's name it forms the MCP tool's name. */
export const ToolName = Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_-]{0,39}$/))

/** A configured instance of an adapter, for example `git`. */
export const Tool = Schema.Struct({
  id: ToolId,
  name: ToolName,
  kind: Schema.String,
  config: Metadata,
  version: Schema.Int,
  createdAt: Timestamp,
  updatedAt: Timestamp
}).annotate({ identifier: "Tool" })
export type Tool = typeof Tool.Type

/** JSON Schema 2020-12 as plain JSON. */
export const JsonSchemaDocument = Schema.Record(Schema.String, Schema.Json)

/** One thing a tool can do. */
export const ToolAction = Schema.Struct({
  name: Schema.String,
  title: Schema.String,
  description: Schema.String,
  risk: Risk,
  inputSchema: JsonSchemaDocument,
  outputSchema: Schema.optionalKey(JsonSchemaDocument)
}).annotate({ identifier: "ToolAction" })
export type ToolAction = typeof ToolAction.Type
