// Part of the stdio proxy, which imports neither effect nor the SDK: docs/adr/0007-stdio-proxy.md.
import { headerValue, memberOf } from "./ProxyHeaders.ts"

/** Tools that are remembered; a tool beyond has no such argument, as far as the proxy knows. */
const maxTools = 5000

interface Repeated {
  readonly header: string
  readonly path: ReadonlyArray<string>
}

const repeatedIn = (schema: unknown, path: ReadonlyArray<string>): ReadonlyArray<Repeated> => {
  const properties = memberOf(schema, "properties")
  if (typeof properties !== "object" || properties === null) return []
  return Object.entries(properties).flatMap(([name, child]) => {
    const keyword = memberOf(child, "x-mcp-header")
    const here = [...path, name]
    const own = typeof keyword === "string" ? [{ header: `mcp-param-${keyword.toLowerCase()}`, path: here }] : []
    return [...own, ...repeatedIn(child, here)]
  })
}

/** Which arguments the tools have repeated in headers, learnt from the lists that pass through. */
export class ProxyParams {
  readonly #tools = new Map<string, ReadonlyArray<Repeated>>()

  /** A result of `tools/list`. */
  learn(result: unknown) {
    const tools = memberOf(result, "tools")
    if (!Array.isArray(tools)) return
    for (const tool of tools) {
      const name = memberOf(tool, "name")
      const repeated = repeatedIn(memberOf(tool, "inputSchema"), [])
      if (typeof name !== "string") continue
      if (repeated.length === 0) this.#tools.delete(name)
      else if (this.#tools.size < maxTools) this.#tools.set(name, repeated)
    }
  }

  /** The headers of a `tools/call`. */
  headersOf(params: unknown): Record<string, string> {
    const name = memberOf(params, "name")
    const repeated = typeof name === "string" ? (this.#tools.get(name) ?? []) : []
    return Object.fromEntries(
      repeated.flatMap(({ header, path }) => {
        const value = path.reduce(memberOf, memberOf(params, "arguments"))
        return ["string", "number", "boolean"].includes(typeof value) ? [[header, headerValue(String(value))]] : []
      })
    )
  }
}
