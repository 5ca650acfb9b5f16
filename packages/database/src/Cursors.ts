import { CursorError } from "@devops-mcp/core/ports/Cursor"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import { Effect, Result } from "effect"
import { Base64Url } from "effect/encoding"

/**
 * Keyset cursors of one list: the key of the last row of a page, named after its list so that no other list takes it.
 * `isKey` refuses what is not a key of this list before it reaches the database.
 */
export const cursorsOf = (list: string, isKey: RegExp) => ({
  decode: ({ cursor }: PageRequest): Effect.Effect<string | undefined, CursorError> => {
    if (cursor === undefined) return Effect.undefined
    const text = Result.getOrElse(Base64Url.decodeString(cursor), () => "")
    const key = text.slice(list.length + 1)
    return text.startsWith(`${list}:`) && isKey.test(key) ? Effect.succeed(key) : Effect.fail(new CursorError())
  },
  encode: (key: string): string => Base64Url.encode(`${list}:${key}`),
  /** Cuts `limit + 1` fetched rows to a page; the row too many tells that there is another. */
  page: <A>(rows: ReadonlyArray<A>, { limit }: PageRequest, keyOf: (row: A) => string): Page<A> => {
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    return {
      items,
      nextCursor: rows.length > limit && last !== undefined ? Base64Url.encode(`${list}:${keyOf(last)}`) : null
    }
  }
})

/** Most lists are in the order of their ids. */
export const uuidKey = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
