import { done } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"

/** GitLab names most actions by the verb: "open", "merge". */
const verbs = new Map([
  ["open", "opened"],
  ["close", "closed"],
  ["reopen", "reopened"],
  ["update", "updated"],
  ["merge", "merged"],
  ["create", "created"],
  ["delete", "deleted"],
  ["approved", "approved"],
  ["approval", "approved by one of its approvers"],
  ["unapproved", "unapproved"],
  ["unapproval", "no longer approved by one of its approvers"]
])

/** An action in words that complete "it was …". */
export const happened = (action: string) => verbs.get(action) ?? done(action)

/** "!7" is how GitLab writes merge requests; what it gives us is the number within the project. */
export const reference = (noun: string, mark: "!" | "#", thing: Payload) => {
  const number = thing.int("iid")
  return number === undefined ? noun : `${noun} ${mark}${number}`
}

/** Names of people, by login. */
export const people = (payload: Payload, key: string) => payload.names([key], "username")

/** The moment of an action: when the thing was made, or last touched. */
export const momentsOf = (thing: Payload, action: string) =>
  action === "open" || action === "create"
    ? [thing.time("created_at"), thing.time("updated_at")]
    : [thing.time("updated_at"), thing.time("created_at")]

/** The titles of the labels. */
export const labelsOf = (payload: Payload) => payload.names(["labels"], "title")

/** What an update changed, by field, without what changes always. */
export const changesOf = (payload: Payload) => {
  const fields = payload
    .at("changes")
    .keys.filter((field) => !["updated_at", "updated_by_id", "last_edited_at", "last_edited_by_id"].includes(field))
  return fields.length === 0 ? undefined : `Changed: ${fields.map((field) => field.replaceAll("_", " ")).join(", ")}.`
}
