import { Effect } from "effect"
import { badRequest } from "./Problems.ts"

/** The `ETag` of a thing that is stored with a version. */
export const entityTag = (version: number): string => `"${version}"`

/** Matches no stored version: those start at 1. */
const noVersion = 0

/**
 * The version that `If-Match` asks for; undefined for `*` and without the header. A weak tag counts as its strong one,
 * because proxies that compress weaken tags. A tag that we never gave matches nothing.
 */
export const ifMatch = Effect.fnUntraced(function* (header: string | undefined) {
  if (header === undefined || header.trim() === "*") return undefined
  const tag = /^\s*(?:W\/)?"([\x21\x23-\x7e]*)"\s*$/.exec(header)?.[1]
  if (tag === undefined) {
    const problem = yield* badRequest([
      { pointer: "/headers/if-match", detail: "Expected * or one entity tag in double quotes" }
    ])
    return yield* problem
  }
  return /^[1-9]\d{0,14}$/.test(tag) ? Number(tag) : noVersion
})
