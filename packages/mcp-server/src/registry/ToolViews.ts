import { Result, Schema } from "effect"
import type { RegisteredTool } from "./RegisteredTool.ts"
import type { View } from "./View.ts"

/** The address or a header names what is not there. */
export class UnknownView extends Schema.TaggedError<UnknownView>()(
  "@devops-mcp/mcp-server/registry/ToolViews/UnknownView",
  { detail: Schema.String }
) {
  override get message() {
    return this.detail
  }
}

/** Toolsets that one address can name. */
const maxToolsets = 100

/** Stands for every toolset. */
const everything = "all"

const address = /^\/mcp(?:\/x\/([^/]+))?(\/readonly)?\/?$/

const namesOf = (list: string): ReadonlySet<string> =>
  new Set(
    list
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")
  )

const isTrue = (value: string | undefined) => ["true", "1"].includes(value?.trim().toLowerCase() ?? "")

const decoded = (segment: string): string | undefined => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** What was asked for, of the known; undefined means all. */
const select = (
  list: string | undefined,
  known: ReadonlySet<string>
): Result.Result<ReadonlySet<string> | undefined, UnknownView> => {
  const names = namesOf(list ?? "")
  if (names.size === 0 || names.has(everything)) return Result.succeed(undefined)
  if (names.size > maxToolsets) {
    return Result.fail(new UnknownView({ detail: `More than ${maxToolsets} toolsets are named` }))
  }
  const unknown = [...names].filter((name) => !known.has(name)).map((name) => `'${name.slice(0, 40)}'`)
  if (unknown.length === 0) return Result.succeed(names)
  const detail = `Unknown toolset${unknown.length > 1 ? "s" : ""}: ${unknown.slice(0, 5).join(", ")}`
  return Result.fail(new UnknownView({ detail }))
}

/**
 * The view that an address (`/mcp`, `/mcp/readonly`, `/mcp/x/a,b`, `/mcp/x/a,b/readonly`) and the headers
 * `X-MCP-Toolsets` and `X-MCP-Readonly` select, of the toolsets that the caller's tenant has. The address is the upper
 * bound: headers only narrow it. Header names come in lower case.
 */
export const viewOf = (
  path: string,
  headers: Readonly<Record<string, string | undefined>>,
  known: ReadonlySet<string>
): Result.Result<View, UnknownView> =>
  Result.gen(function* () {
    const match = address.exec(path)
    const list = match === null ? undefined : decoded(match[1] ?? "")
    if (match === null || list === undefined) {
      return yield* Result.fail(new UnknownView({ detail: "This is no address of the MCP server" }))
    }
    const bound = yield* select(list, known)
    const wanted = yield* select(headers["x-mcp-toolsets"], known)
    return {
      toolsets: bound === undefined || wanted === undefined ? (bound ?? wanted) : bound.intersection(wanted),
      readOnly: match[2] !== undefined || isTrue(headers["x-mcp-readonly"])
    }
  })

/** Whether an address offers a tool. */
export const inView = ({ readOnly, toolsets }: View, { definition, toolset }: RegisteredTool): boolean =>
  (toolsets === undefined || toolsets.has(toolset)) && (!readOnly || definition.annotations.readOnlyHint)
