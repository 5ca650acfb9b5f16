import {
  type Describe,
  type Describers,
  done,
  headed,
  inWords,
  numbered,
  quoted,
  saying,
  the
} from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { momentOf } from "./Moments.ts"

const nameOf = (noun: string, thing: Payload) => `${numbered(noun, thing.int("number"))}${quoted(thing.line("title"))}`

const previous = (payload: Payload) => {
  const from = payload.line("changes", "title", "from")
  if (from !== undefined) return `The title was${quoted(from)} before.`
  return payload.at("changes", "body").isObject ? "The description was changed." : undefined
}

const detail = (payload: Payload, action: string) =>
  saying(payload.line("label", "name"), (label) => `${the(action)} label is ${label}.`) ??
  saying(payload.login("assignee"), (login) => `${the(action)} assignee is ${login}.`) ??
  saying(payload.line("milestone", "title"), (title) => `${the(action)} milestone is ${title}.`) ??
  saying(payload.line("changes", "new_repository", "full_name"), (name) => `It moved to the repository ${name}.`) ??
  saying(payload.line("changes", "category", "from", "name"), (name) => `Its category was ${name} before.`) ??
  previous(payload)

/** GitHub sends events of type `issues` and `issue_comment` for pull requests too. */
const nounOf = (issue: Payload) => (issue.at("pull_request").isObject ? "pull request" : "issue")

const issues: Describe = ({ payload, action, who, where }) => {
  const issue = payload.at("issue")
  if (!issue.isObject) return undefined
  const noun = nounOf(issue)
  const reason = action === "closed" ? issue.line("state_reason") : undefined
  return {
    title: headed(
      `${numbered(noun === "issue" ? "Issue" : "Pull request", issue.int("number"))} ${done(action)}`,
      issue.line("title")
    ),
    summary: [
      `The ${nameOf(noun, issue)} in ${where} was ${done(action)} by ` +
        `${who}${reason === undefined ? "" : ` as ${inWords(reason)}`}.`,
      detail(payload, action),
      saying(issue.names(["labels"], "name"), (labels) => `Labels: ${labels}.`),
      saying(issue.prose("body"), (body) => `Description: ${body}`)
    ],
    url: issue.url("html_url"),
    occurredAt: momentOf(issue, action)
  }
}

const issueComment: Describe = ({ payload, action, who, where }) => {
  const comment = payload.at("comment")
  const issue = payload.at("issue")
  if (!comment.isObject) return undefined
  const noun = nounOf(issue)
  return {
    title: headed(`Comment on ${numbered(noun, issue.int("number"))} ${done(action)}`, issue.line("title")),
    summary: [
      `A comment by ${comment.login("user") ?? who} on the ${nameOf(noun, issue)} in ${where} was ` +
        `${done(action)} by ${who}.`,
      saying(comment.prose("body"), (body) => `Comment: ${body}`)
    ],
    url: comment.url("html_url") ?? issue.url("html_url"),
    occurredAt: momentOf(comment, action)
  }
}

const discussion: Describe = ({ payload, action, who, where }) => {
  const discussion = payload.at("discussion")
  if (!discussion.isObject) return undefined
  const answer = payload.at("answer")
  return {
    title: headed(`${numbered("Discussion", discussion.int("number"))} ${done(action)}`, discussion.line("title")),
    summary: [
      `The ${nameOf("discussion", discussion)} in ${where} was ${done(action)} by ${who}.`,
      saying(discussion.line("category", "name"), (name) => `Its category is ${name}.`),
      detail(payload, action),
      saying(answer.prose("body"), (body) => `The accepted answer by ${answer.login("user") ?? "someone"}: ${body}`),
      saying(discussion.prose("body"), (body) => `Text: ${body}`)
    ],
    url: answer.url("html_url") ?? discussion.url("html_url"),
    occurredAt: action === "answered" ? [discussion.time("answer_chosen_at")] : momentOf(discussion, action)
  }
}

const discussionComment: Describe = ({ payload, action, who, where }) => {
  const comment = payload.at("comment")
  const discussion = payload.at("discussion")
  if (!comment.isObject) return undefined
  return {
    title: headed(
      `Comment on ${numbered("discussion", discussion.int("number"))} ${done(action)}`,
      discussion.line("title")
    ),
    summary: [
      `A comment by ${comment.login("user") ?? who} on the ${nameOf("discussion", discussion)} in ${where} was ` +
        `${done(action)} by ${who}.`,
      saying(comment.prose("body"), (body) => `Comment: ${body}`)
    ],
    url: comment.url("html_url") ?? discussion.url("html_url"),
    occurredAt: momentOf(comment, action)
  }
}

const label: Describe = ({ payload, action, who, where }) => {
  const label = payload.at("label")
  if (!label.isObject) return undefined
  return {
    title: headed(`Label ${done(action)}`, label.line("name")),
    summary: [
      `The label${quoted(label.line("name"))} for issues and pull requests in ${where} was ${done(action)} by ${who}.`,
      saying(payload.line("changes", "name", "from"), (name) => `Its name was${quoted(name)} before.`),
      saying(payload.line("changes", "color", "from"), (color) => `Its color was ${color} before.`),
      saying(label.line("description"), (text) => `Description: ${text}`)
    ]
  }
}

const milestone: Describe = ({ payload, action, who, where }) => {
  const milestone = payload.at("milestone")
  if (!milestone.isObject) return undefined
  return {
    title: headed(`${numbered("Milestone", milestone.int("number"))} ${done(action)}`, milestone.line("title")),
    summary: [
      `The milestone${quoted(milestone.line("title"))} in ${where} was ${done(action)} by ${who}.`,
      `It has ${milestone.int("open_issues") ?? 0} open and ${milestone.int("closed_issues") ?? 0} closed issues.`,
      saying(milestone.line("due_on"), (due) => `It is due on ${due.slice(0, 10)}.`),
      saying(milestone.prose("description"), (text) => `Description: ${text}`)
    ],
    url: milestone.url("html_url"),
    occurredAt: momentOf(milestone, action)
  }
}

const subIssues: Describe = ({ payload, action, who, where }) => {
  const parent = payload.at("parent_issue")
  const child = payload.at("sub_issue")
  if (!parent.isObject && !child.isObject) return undefined
  return {
    title: headed(
      `${numbered("Issue", parent.int("number"))} ${inWords(action)}`,
      child.line("title") ?? parent.line("title")
    ),
    summary: [
      `The sub-issues of an issue in ${where} were changed by ${who}: ${inWords(action)}.`,
      `The parent is the ${nameOf("issue", parent)}; the sub-issue is the ${nameOf("issue", child)}.`
    ],
    url: child.url("html_url") ?? parent.url("html_url"),
    occurredAt: [child.time("updated_at"), parent.time("updated_at")]
  }
}

/** Issues, discussions, and what groups them. */
export const issuesAndDiscussions: Describers = {
  issues,
  issue_comment: issueComment,
  sub_issues: subIssues,
  discussion,
  discussion_comment: discussionComment,
  label,
  milestone
}
