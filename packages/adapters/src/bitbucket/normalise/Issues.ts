import { type Describe, type Describers, headed, numbered, quoted, saying } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { happened, momentsOf, pageOf, personOf, textOf } from "./Words.ts"

const nameOf = (issue: Payload) => `${numbered("issue", issue.int("id"))}${quoted(issue.line("title"))}`

const change = (payload: Payload) => {
  const changes = payload.at("changes")
  const told = changes.keys.flatMap((field) => {
    const [from, to] = [changes.line(field, "old"), changes.line(field, "new")]
    if (field === "content" || (from === undefined && to === undefined)) return [field]
    return [`${field} from ${from ?? "nothing"} to ${to ?? "nothing"}`]
  })
  return told.length === 0 ? undefined : `Changed: ${told.join("; ")}.`
}

const issue: Describe = ({ payload, action, who, where }) => {
  const issue = payload.at("issue")
  if (!issue.isObject) return undefined
  return {
    title: headed(`${numbered("Issue", issue.int("id"))} ${happened(action)}`, issue.line("title")),
    summary: [
      `The ${nameOf(issue)} in ${where} was ${happened(action)} by ${who}.`,
      change(payload),
      saying(issue.line("state"), (state) => `State: ${state}.`),
      saying(issue.line("priority"), (priority) => `Priority: ${priority}.`),
      saying(issue.line("kind") ?? issue.line("type"), (kind) => `Kind: ${kind}.`),
      saying(issue.line("assignee", "display_name"), (name) => `Assignee: ${name}.`),
      saying(payload.prose("comment", "content", "raw"), (text) => `Comment: ${text}`),
      saying(textOf(issue), (text) => `Description: ${text}`)
    ],
    url: pageOf(issue),
    occurredAt: momentsOf(issue, action)
  }
}

const comment: Describe = ({ payload, action, who, where }) => {
  const comment = payload.at("comment")
  if (!comment.isObject) return undefined
  const issue = payload.at("issue")
  return {
    title: headed(`Comment on ${numbered("issue", issue.int("id"))} ${happened(action)}`, issue.line("title")),
    summary: [
      `A comment by ${personOf(comment.at("user")) ?? who} on the ${nameOf(issue)} in ${where} was ` +
        `${happened(action)} by ${who}.`,
      saying(textOf(comment), (text) => `Comment: ${text}`)
    ],
    url: pageOf(comment) ?? pageOf(issue),
    occurredAt: momentsOf(comment, action)
  }
}

/** Bitbucket's own issues. */
export const issues: Describers = {
  "issue:created": issue,
  "issue:updated": issue,
  "issue:comment_created": comment
}
