import { Predicate } from "effect"
import type { ObjectSchema, ParamHeader } from "./RegisteredTool.ts"

/** A property of a JSON Schema with this keyword is repeated in a header, so that proxies can route by it. */
const keyword = "x-mcp-header"

/** RFC 9110, section 5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** What a header can carry. */
const types: ReadonlySet<unknown> = new Set(["string", "integer", "boolean"])

const collect = (schema: unknown, path: ReadonlyArray<string>): ReadonlyArray<ParamHeader> => {
  if (!Predicate.hasProperty(schema, "properties") || !Predicate.isObject(schema.properties)) return []
  return Object.entries(schema.properties).flatMap(([property, child]) => {
    const here = [...path, property]
    const name = Predicate.hasProperty(child, keyword) ? child[keyword] : undefined
    const typed = Predicate.hasProperty(child, "type") && types.has(child.type)
    const own = typeof name === "string" && token.test(name) && typed ? [{ name, path: here }] : []
    return [...own, ...collect(child, here)]
  })
}

/** The arguments that a tool has repeated in headers: those reached by `properties` alone, one for each name. */
export const paramHeadersOf = (inputSchema: ObjectSchema): ReadonlyArray<ParamHeader> => {
  const byName = new Map<string, ParamHeader>()
  for (const header of collect(inputSchema, [])) {
    const name = header.name.toLowerCase()
    if (!byName.has(name)) byName.set(name, header)
  }
  return [...byName.values()]
}
