import {
  counted,
  type Describers,
  type Describe,
  done,
  headed,
  inWords,
  numbered,
  type Occurrence,
  quoted,
  refInWords,
  saying,
  the
} from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { momentOf } from "./Moments.ts"

const nameOf = (pull: Payload) => `${numbered("pull request", pull.int("number"))}${quoted(pull.line("title"))}`

const outcome = (pull: Payload, action: string, who: string) => {
  if (action === "closed") {
    return pull.flag("merged")
      ? `was merged by ${pull.login("merged_by") ?? who}`
      : `was closed without being merged by ${who}`
  }
  if (action === "ready_for_review") return `was marked ready for review by ${who}`
  if (action === "review_requested") return `was sent for review by ${who}`
  if (action === "review_request_removed") return `had a request for review withdrawn by ${who}`
  return `was ${done(action)} by ${who}`
}

const detail = (payload: Payload, action: string) =>
  saying(payload.line("label", "name"), (label) => `${the(action)} label is ${label}.`) ??
  saying(payload.login("assignee"), (login) => `${the(action)} assignee is ${login}.`) ??
  saying(
    payload.login("requested_reviewer") ?? payload.line("requested_team", "name"),
    (name) => `The reviewer is ${name}.`
  ) ??
  saying(payload.line("milestone", "title"), (title) => `${the(action)} milestone is ${title}.`)

const branches = (pull: Payload) =>
  saying(
    pull.line("head", "ref"),
    (head) => `It brings the branch ${head} into ${pull.line("base", "ref") ?? "its base"}.`
  )

const size = (pull: Payload) =>
  saying(pull.line("changed_files"), () => {
    const count = (field: string) => pull.int(field) ?? 0
    const lines = `${counted(count("additions"), "addition")} and ${counted(count("deletions"), "deletion")}`
    return (
      `It changes ${counted(count("changed_files"), "file")} with ${lines} in ` +
      `${counted(count("commits"), "commit")}.`
    )
  })

const pullRequest: Describe = ({ payload, action, who, where }) => {
  const pull = payload.at("pull_request")
  if (!pull.isObject) return undefined
  const merged = action === "closed" && pull.flag("merged")
  const head = numbered("Pull request", pull.int("number") ?? payload.int("number"))
  return {
    title: headed(`${head} ${merged ? "merged" : done(action)}`, pull.line("title")),
    summary: [
      `The ${nameOf(pull)} in ${where} ${outcome(pull, action, who)}.`,
      branches(pull),
      size(pull),
      detail(payload, action),
      saying(pull.prose("body"), (body) => `Description: ${body}`)
    ],
    url: pull.url("html_url"),
    occurredAt: momentOf(pull, action)
  }
}

const verdicts = new Map([
  ["approved", "approved"],
  ["changes_requested", "requested changes on"],
  ["commented", "commented on"]
])

const review: Describe = ({ payload, action, who, where }) => {
  const review = payload.at("review")
  const pull = payload.at("pull_request")
  if (!review.isObject) return undefined
  const state = review.line("state")?.toLowerCase() ?? "commented"
  const reviewer = review.login("user") ?? who
  return {
    title: headed(
      `Review of ${numbered("pull request", pull.int("number"))} ` +
        `${done(action)}${state === action ? "" : ` (${inWords(state)})`}`,
      pull.line("title")
    ),
    summary: [
      `The code review by ${reviewer} of the ${nameOf(pull)} in ${where} was ${done(action)} by ${who}.`,
      saying(verdicts.get(state), (verdict) => `The reviewer ${reviewer} ${verdict} the pull request.`),
      saying(review.prose("body"), (body) => `Review: ${body}`)
    ],
    url: review.url("html_url") ?? pull.url("html_url"),
    occurredAt: momentOf(review, action)
  }
}

const place = (comment: Payload) =>
  saying(comment.line("path"), (path) => {
    const line = comment.int("line")
    return `The comment is on the file ${path}${line === undefined ? "" : `, line ${line}`}.`
  })

const reviewComment: Describe = ({ payload, action, who, where }) => {
  const comment = payload.at("comment")
  const pull = payload.at("pull_request")
  if (!comment.isObject) return undefined
  return {
    title: headed(
      `Review comment on ${numbered("pull request", pull.int("number"))} ${done(action)}`,
      comment.line("body") ?? pull.line("title")
    ),
    summary: [
      `A code review comment by ${comment.login("user") ?? who} on the ${nameOf(pull)} in ${where} was ` +
        `${done(action)} by ${who}.`,
      place(comment),
      saying(comment.prose("body"), (body) => `Comment: ${body}`)
    ],
    url: comment.url("html_url") ?? pull.url("html_url"),
    occurredAt: momentOf(comment, action)
  }
}

const reviewThread: Describe = ({ payload, action, who, where }) => {
  const pull = payload.at("pull_request")
  const [first] = payload.list("thread", "comments")
  if (!pull.isObject) return undefined
  return {
    title: headed(
      `Review thread on ${numbered("pull request", pull.int("number"))} ${done(action)}`,
      pull.line("title")
    ),
    summary: [
      `A code review thread on the ${nameOf(pull)} in ${where} was ${done(action)} by ${who}.`,
      first === undefined ? undefined : place(first),
      saying(first?.prose("body"), (body) => `The thread begins: ${body}`)
    ],
    url: first?.url("html_url") ?? pull.url("html_url"),
    occurredAt: [payload.time("updated_at"), pull.time("updated_at")]
  }
}

const mergeGroupOutcome = ({ payload, action }: Occurrence) =>
  action === "destroyed"
    ? `The merge group was taken out of the merge ` +
      `queue${saying(payload.line("reason"), (reason) => ` (${inWords(reason)})`) ?? ""}.`
    : "The merge queue asks for the checks of this merge group before it is merged."

const mergeGroup: Describe = (occurrence) => {
  const { payload, action, who, where } = occurrence
  const group = payload.at("merge_group")
  if (!group.isObject) return undefined
  const base = refInWords(group.line("base_ref"))
  return {
    title: headed(
      `Merge group for ${base} ${action === "" ? "changed" : inWords(action)}`,
      group.line("head_commit", "message")
    ),
    summary: [
      `A merge group for the ${base} in ${where}, brought by ${who}: ${inWords(action)}.`,
      mergeGroupOutcome(occurrence),
      saying(group.prose("head_commit", "message"), (message) => `Head commit: ${message}`)
    ],
    occurredAt: action === "checks_requested" ? [group.time("head_commit", "timestamp")] : []
  }
}

/** Pull requests, their reviews, and the merge queue. */
export const pullRequests: Describers = {
  pull_request: pullRequest,
  pull_request_review: review,
  pull_request_review_comment: reviewComment,
  pull_request_review_thread: reviewThread,
  merge_group: mergeGroup
}
