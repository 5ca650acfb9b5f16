import { JsonSchemaDocument } from "@devops-mcp/domain/Tool"
import { Schema } from "effect"
import { type ObjectSchema, objectSchema } from "./RegisteredTool.ts"

const decodeDocument = Schema.decodeUnknownSync(JsonSchemaDocument)
const definitionPrefix = "#/$defs/"

/**
 * The JSON Schema 2020-12 of a struct as MCP wants it: an object at the top, and whatever it refers to in its own
 * `$defs`. Costs milliseconds, so it is made once, when the tools are registered.
 */
const documentOf = (schema: Schema.Top, onExcessProperty: "error" | "ignore"): ObjectSchema => {
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(schema, { onExcessProperty })
  const rootName = typeof root.$ref === "string" ? root.$ref.slice(definitionPrefix.length) : undefined
  const top = rootName === undefined ? root : definitions[rootName]
  const $defs = Object.fromEntries(Object.entries(definitions).filter(([name]) => name !== rootName))
  return objectSchema(decodeDocument({ ...top, ...(Object.keys($defs).length === 0 ? {} : { $defs }) }))
}

/** Arguments that a tool does not know are refused, and the schema says so. */
export const inputSchemaOf = (schema: Schema.Top) => documentOf(schema, "error")

export const outputSchemaOf = (schema: Schema.Top) => documentOf(schema, "ignore")
