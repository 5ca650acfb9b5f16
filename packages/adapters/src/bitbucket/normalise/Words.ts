import { done } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"

const words = new Map([
  ["fulfilled", "merged"],
  ["rejected", "declined"],
  ["unapproved", "no longer approved"]
])

/** An action in words that complete "it was …". */
export const happened = (action: string) => words.get(action) ?? done(action)

/** How a person is called: Cloud knows nicknames, Data Center names. */
export const personOf = (person: Payload) => person.first("nickname", "display_name", "name", "displayName")

/** The text that Cloud keeps with its renderings, or Data Center's plain one. */
export const textOf = (thing: Payload) => thing.prose("content", "raw") ?? thing.prose("text")

export const pageOf = (thing: Payload) => thing.url("links", "html", "href")

/** When something was made, or last touched. */
export const momentsOf = (thing: Payload, action: string) =>
  action === "created"
    ? [thing.time("created_on"), thing.time("createdDate")]
    : [thing.time("updated_on"), thing.time("updatedDate"), thing.time("created_on")]
