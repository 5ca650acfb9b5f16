import { Option, Result } from "effect"
import { Base64Url } from "effect/encoding"
import type { RegisteredTool } from "../registry/RegisteredTool.ts"

/** Tools of one `tools/list` answer. */
export const listPageSize = 200

/** A cursor is the last tool that was listed, so that tools which come or go in between move nothing. */
const cursorOf = (tool: RegisteredTool) => Base64Url.encode(tool.name)

const startOf = (tools: ReadonlyArray<RegisteredTool>, cursor: string): number =>
  Result.match(Base64Url.decodeString(cursor), {
    onFailure: () => 0,
    onSuccess: (name) => tools.findIndex((tool) => tool.name === name) + 1
  })

/** The page after the cursor; none when the cursor is not of this list, or its tool is gone. */
export const pageOf = (
  tools: ReadonlyArray<RegisteredTool>,
  cursor: string | undefined
): Option.Option<{ readonly tools: ReadonlyArray<RegisteredTool>; readonly nextCursor?: string }> => {
  const start = cursor === undefined ? 0 : startOf(tools, cursor)
  if (cursor !== undefined && start === 0) return Option.none()
  const page = tools.slice(start, start + listPageSize)
  const last = page.at(-1)
  const isLastPage = last === undefined || start + page.length >= tools.length
  return Option.some(isLastPage ? { tools: page } : { tools: page, nextCursor: cursorOf(last) })
}
