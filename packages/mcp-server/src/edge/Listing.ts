import { toolsets } from "@devops-mcp/contract/McpTools"
import { Option, Result } from "effect"
import { Base64Url } from "effect/encoding"
import type { RegisteredTool } from "../registry/RegisteredTool.ts"

/** Tools of one `tools/list` answer. */
export const listPageSize = 200

/** What a cursor stands for, in the clear: the last tool that was listed. */
const cursorText = /^after:([A-Za-z0-9_.-]{1,128})$/

const cursorOf = ({ definition }: RegisteredTool) => Base64Url.encode(`after:${definition.name}`)

const nameIn = (cursor: string): string | undefined =>
  Result.match(Base64Url.decodeString(cursor), {
    onFailure: () => undefined,
    onSuccess: (text) => cursorText.exec(text)?.[1]
  })

const own: ReadonlySet<string> = new Set(toolsets)

/** After the tool of this name, or where it would be: our own tools stay, and the others are in the order of names. */
const startAfter = (tools: ReadonlyArray<RegisteredTool>, name: string): number => {
  const listed = tools.findIndex(({ definition }) => definition.name === name)
  if (listed >= 0) return listed + 1
  const next = tools.findIndex(({ definition, toolset }) => !own.has(toolset) && definition.name > name)
  return next >= 0 ? next : tools.length
}

/**
 * The page after the cursor; none when it is no cursor. Tools that come or go between two pages move nothing: what was
 * there all the time is listed once.
 */
export const pageOf = (
  tools: ReadonlyArray<RegisteredTool>,
  cursor: string | undefined
): Option.Option<{ readonly tools: ReadonlyArray<RegisteredTool>; readonly nextCursor?: string }> => {
  const name = cursor === undefined ? undefined : nameIn(cursor)
  if (cursor !== undefined && name === undefined) return Option.none()
  const start = name === undefined ? 0 : startAfter(tools, name)
  const page = tools.slice(start, start + listPageSize)
  const last = page.at(-1)
  const isLastPage = last === undefined || start + page.length >= tools.length
  return Option.some(isLastPage ? { tools: page } : { tools: page, nextCursor: cursorOf(last) })
}
