import { type Describe, type Describers, done, headed, inWords, quoted, saying } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { shortened } from "../../normalise/Text.ts"

const nameOf = (issue: Payload) => issue.line("key") ?? "an issue"

const change = (item: Payload) => {
  const field = item.line("field")
  if (field === undefined) return []
  const [from, to] = [item.line("fromString"), item.line("toString")]
  const long = /^(?:description|comment|environment)$/i.test(field)
  if (long || (from === undefined && to === undefined)) return [field]
  return [`${field} from ${shortened(from ?? "nothing", 100)} to ${shortened(to ?? "nothing", 100)}`]
}

/** A new status says more in a title than "updated". */
const titleOutcome = (payload: Payload, action: string) => {
  const status = payload
    .list("changelog", "items")
    .find((item) => item.line("field") === "status")
    ?.line("toString")
  return status === undefined ? done(action) : `moved to ${status}`
}

const state = (fields: Payload) => {
  const known = [
    saying(fields.line("status", "name"), (name) => `Status: ${name}.`),
    saying(fields.line("priority", "name"), (name) => `Priority: ${name}.`),
    saying(fields.line("assignee", "displayName"), (name) => `Assignee: ${name}.`),
    saying(fields.line("resolution", "name"), (name) => `Resolution: ${name}.`),
    saying(fields.names(["labels"]), (names) => `Labels: ${names}.`),
    saying(fields.names(["components"], "name"), (names) => `Components: ${names}.`),
    saying(fields.names(["fixVersions"], "name"), (names) => `Fix versions: ${names}.`)
  ].filter((sentence) => sentence !== undefined)
  return known.length === 0 ? undefined : known.join(" ")
}

const issue: Describe = ({ payload, action, who, where }) => {
  const issue = payload.at("issue")
  if (!issue.isObject) return undefined
  const fields = issue.at("fields")
  const noun = fields.line("issuetype", "name") ?? "Issue"
  const changes = payload.list("changelog", "items").flatMap(change)
  return {
    title: headed(`${noun} ${nameOf(issue)} ${titleOutcome(payload, action)}`, fields.line("summary")),
    summary: [
      `The issue ${nameOf(issue)}${quoted(fields.line("summary"))}, a ${noun}, in ${where} was ${done(action)} by ${who}.`,
      changes.length === 0 ? undefined : `Changed: ${changes.join("; ")}.`,
      state(fields),
      saying(payload.prose("comment", "body"), (text) => `Comment: ${text}`),
      saying(fields.prose("description"), (text) => `Description: ${text}`)
    ],
    occurredAt: [payload.time("timestamp"), action === "created" ? fields.time("created") : fields.time("updated")]
  }
}

const comment: Describe = ({ payload, action, who, where }) => {
  const comment = payload.at("comment")
  if (!comment.isObject) return undefined
  const issue = payload.at("issue")
  const summary = issue.line("fields", "summary")
  return {
    title: headed(`Comment on ${nameOf(issue)} ${done(action)}`, summary),
    summary: [
      `A comment by ${comment.line("author", "displayName") ?? who} on the issue ${nameOf(issue)}${quoted(summary)} in ` +
        `${where} was ${done(action)} by ${who}.`,
      saying(comment.prose("body"), (text) => `Comment: ${text}`)
    ],
    occurredAt: [payload.time("timestamp"), comment.time("updated"), comment.time("created")]
  }
}

const worklog: Describe = ({ payload, action, who, where }) => {
  const worklog = payload.at("worklog")
  if (!worklog.isObject) return undefined
  const spent = worklog.line("timeSpent")
  const issue = payload.line("issue", "key") ?? saying(worklog.id("issueId"), (id) => `with the id ${id}`)
  return {
    title: `Work log ${done(action)}${spent === undefined ? "" : `: ${spent}`}`,
    summary: [
      `A work log, time spent on the issue ${issue ?? "that is not told"}, in ${where} was ${done(action)} by ${who}.`,
      saying(spent, (time) => `The time spent is ${time}.`),
      saying(worklog.prose("comment"), (text) => `Comment: ${text}`)
    ],
    occurredAt: [payload.time("timestamp"), worklog.time("updated")]
  }
}

const issueLink: Describe = ({ payload, action, who, where }) => {
  const link = payload.at("issueLink")
  if (!link.isObject) return undefined
  const kind = link.line("issueLinkType", "name")
  return {
    title: headed(`Issue link ${done(action)}`, kind),
    summary: [
      `A link between two issues${kind === undefined ? "" : ` (${inWords(kind)})`} in ${where} was ${done(action)} by ` +
        `${who}: ${link.line("sourceIssueId") ?? "one"} and ${link.line("destinationIssueId") ?? "another"}.`
    ]
  }
}

const attachment: Describe = ({ payload, action, who, where }) => {
  const file = payload.at("attachment")
  if (!file.isObject) return undefined
  return {
    title: headed(`Attachment ${done(action)}`, file.line("filename")),
    summary: [
      `The attachment${quoted(file.line("filename"))} of an issue in ${where} was ${done(action)} by ` +
        `${file.line("author", "displayName") ?? who}.`
    ],
    occurredAt: [payload.time("timestamp"), file.time("created")]
  }
}

/** Issues and what hangs on them. */
export const issues: Describers = { issue, comment, worklog, issuelink: issueLink, attachment }
