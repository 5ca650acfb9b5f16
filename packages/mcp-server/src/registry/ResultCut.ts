import type { Schema } from "effect"
import type { ObjectSchema } from "./RegisteredTool.ts"

/** How much of a value stays: characters of a text, items of an array, optional keys of an object. */
interface Measure {
  readonly text: number
  readonly items: number
  readonly keys: number
}

/** From generous to almost nothing. Texts of up to `shortestText` stay whole: ids, times and names. */
const shortestText = 64

const measures: ReadonlyArray<Measure> = [
  ...Array.from({ length: 11 }, (_, step) => ({
    text: Math.max(shortestText, 65_536 >> step),
    items: 4_096 >> step,
    keys: Number.POSITIVE_INFINITY
  })),
  ...[1_000, 100, 10, 0].map((keys) => ({ text: shortestText, items: Math.min(keys, 1), keys }))
]

/** Values nested deeper are reduced to what their schema requires. */
const deepest = 64

/** Nodes of a schema that one node stands for: references and alternatives may lead to each other. */
const mostNodes = 64

type Node = Schema.JsonObject

const isNode = (value: Schema.Json | undefined): value is Node =>
  value !== undefined && value !== null && typeof value === "object" && !Array.isArray(value)

const isArray = (value: Schema.Json | undefined): value is Schema.JsonArray => Array.isArray(value)

const nodesIn = (value: Schema.Json | undefined): ReadonlyArray<Node> =>
  isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : []

const numberIn = (nodes: ReadonlyArray<Node>, key: string): number =>
  nodes.reduce((largest, node) => {
    const value = node[key]
    return typeof value === "number" ? Math.max(largest, value) : largest
  }, 0)

const has = (nodes: ReadonlyArray<Node>, keys: ReadonlyArray<string>) =>
  nodes.some((node) => keys.some((key) => Object.hasOwn(node, key)))

const cutText = (text: string, nodes: ReadonlyArray<Node>, measure: Measure): string => {
  if (has(nodes, ["enum", "const", "pattern", "format"])) return text
  const kept = Math.max(measure.text, numberIn(nodes, "minLength") * 2)
  // Little would be won, and in characters a text with its note must not be longer than before.
  if (text.length <= kept + shortestText) return text
  const start = text.slice(0, kept)
  const whole = /[\uD800-\uDBFF]$/.test(start) ? start.slice(0, -1) : start
  return `${whole}… (${text.length - whole.length} more characters)`
}

/** Cuts values of one schema. Without a schema nothing is known about keys, so all of them stay. */
export const makeCut = (schema: ObjectSchema | undefined) => {
  const resolve = (reference: string): ReadonlyArray<Node> => {
    let found: Schema.Json | undefined = schema
    for (const step of reference.split("/").slice(1)) {
      if (!isNode(found)) return []
      const key = step.replaceAll("~1", "/").replaceAll("~0", "~")
      found = Object.hasOwn(found, key) ? found[key] : undefined
    }
    return nodesIn(found)
  }

  /** The nodes with everything that they refer to: what any of them asks for is kept. */
  const expand = (nodes: ReadonlyArray<Node>): ReadonlyArray<Node> => {
    const found = new Set(nodes)
    for (const node of found) {
      if (found.size > mostNodes) break
      const reference = node["$ref"]
      const more = typeof reference === "string" ? resolve(reference) : []
      for (const next of [...more, ...["anyOf", "oneOf", "allOf"].flatMap((key) => nodesIn(node[key]))]) found.add(next)
    }
    return [...found]
  }

  const propertyNodes = (nodes: ReadonlyArray<Node>, key: string) =>
    nodes.flatMap((node) => {
      const properties = node["properties"]
      return isNode(properties) && Object.hasOwn(properties, key)
        ? nodesIn(properties[key])
        : nodesIn(node["additionalProperties"])
    })

  const itemNodes = (nodes: ReadonlyArray<Node>, index: number) =>
    nodes.flatMap((node) => {
      const prefix = node["prefixItems"]
      return isArray(prefix) && index < prefix.length ? nodesIn(prefix[index]) : nodesIn(node["items"])
    })

  const requiredIn = (nodes: ReadonlyArray<Node>) =>
    new Set(nodes.flatMap((node) => (isArray(node["required"]) ? node["required"] : [])))

  const keptKeys = (value: Schema.JsonObject, nodes: ReadonlyArray<Node>, limit: number) => {
    const keys = Object.keys(value)
    if (schema === undefined || has(nodes, ["minProperties"]) || keys.length <= limit) return keys
    const required = requiredIn(nodes)
    let optional = 0
    return keys.filter((key) => required.has(key) || (optional += 1) <= limit)
  }

  const cut = (value: Schema.Json, own: ReadonlyArray<Node>, measure: Measure, depth: number): Schema.Json => {
    if (value === null || (typeof value !== "object" && typeof value !== "string")) return value
    const nodes = expand(own)
    if (typeof value === "string") return cutText(value, nodes, measure)
    if (isArray(value)) {
      const items = depth > deepest ? 0 : measure.items
      return value
        .slice(0, Math.max(items, numberIn(nodes, "minItems")))
        .map((item, index) => cut(item, itemNodes(nodes, index), measure, depth + 1))
    }
    return cutObject(value, nodes, measure, depth)
  }

  const cutObject = (value: Schema.JsonObject, nodes: ReadonlyArray<Node>, measure: Measure, depth: number) => {
    const kept: Record<string, Schema.Json> = {}
    for (const key of keptKeys(value, nodes, depth > deepest ? 0 : measure.keys)) {
      const part = value[key]
      if (part !== undefined) {
        Object.defineProperty(kept, key, {
          value: cut(part, propertyNodes(nodes, key), measure, depth + 1),
          enumerable: true
        })
      }
    }
    return kept
  }

  /** Ever less of the value, always of its schema: fewer items, shorter texts, at last only the required keys. */
  return function* (value: Schema.JsonObject): Generator<Schema.JsonObject> {
    const nodes = expand(nodesIn(schema))
    for (const measure of measures) yield cutObject(value, nodes, measure, 0)
  }
}
