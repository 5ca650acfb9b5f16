import type { DateTime } from "effect"
import type { Payload } from "./Payload.ts"

/** A delivery as the describers see it: the payload, and what nearly all payloads share, in words. */
export interface Occurrence {
  readonly payload: Payload
  /** The event's type, for describers of several. */
  readonly type: string
  /** The action as sent; empty for types without actions. */
  readonly action: string
  /** Name of who did it, or "someone". */
  readonly who: string
  /** "the repository owner/name", or whatever else the event belongs to. */
  readonly where: string
}

/** What a describer says. Undefined sentences are left out; without url the page of where it happened is taken. */
export interface Description {
  readonly title: string
  readonly summary: ReadonlyArray<string | undefined>
  readonly url?: string | undefined
  /** When it happened; the first that is there is taken, else when the delivery was received. */
  readonly occurredAt?: ReadonlyArray<DateTime.Utc | undefined> | undefined
}

/** Describes one type of event; undefined when the payload is not of that type's shape. Pure and total. */
export type Describe = (occurrence: Occurrence) => Description | undefined

/** A family of event types, by the sender's event name. */
export type Describers = Readonly<Record<string, Describe>>

const irregular = new Map([
  ["synchronize", "updated with new commits"],
  ["create", "created"],
  ["dismiss", "dismissed"],
  ["resolve", "resolved"],
  ["suspend", "suspended"],
  ["unsuspend", "unsuspended"],
  ["milestoned", "added to a milestone"],
  ["demilestoned", "removed from a milestone"],
  ["enqueued", "added to the merge queue"],
  ["dequeued", "removed from the merge queue"],
  ["auto_merge_enabled", "set to merge automatically"],
  ["auto_merge_disabled", "no longer set to merge automatically"],
  ["closed_by_user", "dismissed"],
  ["requested_action", "asked to run an action"],
  ["category_changed", "moved to another category"],
  ["new_permissions_accepted", "given new permissions"],
  ["added_to_repository", "added to a repository"],
  ["removed_from_repository", "removed from a repository"],
  ["publicized", "made public"],
  ["privatized", "made private"]
])

/** An action in words that complete "it was …". */
export const done = (action: string) => irregular.get(action) ?? (action === "" ? "changed" : inWords(action))

/** `owner:event_name` or `owner.event` as words. */
export const typeInWords = (type: string) => type.replaceAll(/[_:.]+/g, " ")

/** `snake_case` as words. */
export const inWords = (name: string) => name.replaceAll("_", " ")

/** "Issue #7", or "Issue" when there is no number. */
export const numbered = (noun: string, number: number | undefined) =>
  number === undefined ? noun : `${noun} #${number}`

/** "head: rest", or the head alone. */
export const headed = (head: string, rest: string | undefined) => (rest === undefined ? head : `${head}: ${rest}`)

/** A name in quotation marks with a space before it, or nothing. */
export const quoted = (name: string | undefined) => (name === undefined ? "" : ` "${name}"`)

/** "The", or "The removed" when the action takes the label, assignee or milestone away. */
export const the = (action: string) => (/^(?:un|de)/.test(action) ? "The removed" : "The")

/** A sentence around a text that may be absent. */
export const saying = (text: string | undefined, sentence: (text: string) => string) =>
  text === undefined ? undefined : sentence(text)

/** "1 file", "2 files". */
export const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`

/** `refs/heads/main` as "branch main", `refs/tags/v1` as "tag v1". */
export const refInWords = (ref: string | undefined) => {
  if (ref === undefined) return "an unknown branch"
  if (ref.startsWith("refs/tags/")) return `tag ${ref.slice("refs/tags/".length)}`
  return `branch ${ref.replace(/^refs\/heads\//, "")}`
}

/** The first characters of a commit's hash, as people cite it. */
export const shortSha = (sha: string | undefined) => (sha === undefined ? undefined : sha.slice(0, 7))
