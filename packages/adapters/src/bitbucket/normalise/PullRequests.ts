import { type Describe, type Describers, headed, numbered, quoted, saying } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { happened, momentsOf, pageOf, personOf, textOf } from "./Words.ts"

const nameOf = (pull: Payload) => `${numbered("pull request", pull.int("id"))}${quoted(pull.line("title"))}`

const branches = (pull: Payload) => {
  const from = pull.line("source", "branch", "name") ?? pull.line("fromRef", "displayId")
  const to = pull.line("destination", "branch", "name") ?? pull.line("toRef", "displayId")
  return saying(from, (head) => `It brings the branch ${head} into ${to ?? "its destination"}.`)
}

const about = (pull: Payload, outcome: string, who: string, where: string) => [
  `The ${nameOf(pull)} in ${where} was ${outcome} by ${who}.`,
  branches(pull),
  saying(pull.line("reason"), (reason) => `Reason: ${reason}`),
  saying(pull.names(["reviewers"], "display_name"), (names) => `Reviewers: ${names}.`),
  saying(pull.prose("description") ?? pull.prose("summary", "raw"), (text) => `Description: ${text}`)
]

const pullRequest =
  (key: string, outcome: string): Describe =>
  ({ payload, who, where }) => {
    const pull = payload.at(key)
    if (!pull.isObject) return undefined
    const reviewed = payload.at("approval").isObject ? payload.at("approval") : payload.at("changes_request")
    return {
      title: headed(`${numbered("Pull request", pull.int("id"))} ${outcome}`, pull.line("title")),
      summary: about(pull, outcome, personOf(reviewed.at("user")) ?? who, where),
      url: pageOf(pull),
      occurredAt: [reviewed.time("date"), ...momentsOf(pull, outcome === "opened" ? "created" : outcome)]
    }
  }

const comment =
  (key: string): Describe =>
  ({ payload, action, who, where }) => {
    const comment = payload.at("comment")
    const pull = payload.at(key)
    if (!comment.isObject) return undefined
    return {
      title: headed(
        `Comment on ${numbered("pull request", pull.int("id"))} ${happened(action)}`,
        comment.line("content", "raw") ?? comment.line("text") ?? pull.line("title")
      ),
      summary: [
        `A code review comment by ${personOf(comment.at("user")) ?? personOf(comment.at("author")) ?? who} on the ` +
          `${nameOf(pull)} in ${where} was ${happened(action)} by ${who}.`,
        saying(comment.line("inline", "path"), (path) => {
          const line = comment.int("inline", "to") ?? comment.int("inline", "from")
          return `It is on the file ${path}${line === undefined ? "" : `, line ${line}`}.`
        }),
        saying(textOf(comment), (text) => `Comment: ${text}`)
      ],
      url: pageOf(comment) ?? pageOf(pull),
      occurredAt: momentsOf(comment, action)
    }
  }

/** Pull requests and the comments on them, of Cloud (`pullrequest:`) and of Data Center (`pr:`). */
export const pullRequests: Describers = {
  "pullrequest:created": pullRequest("pullrequest", "opened"),
  "pullrequest:updated": pullRequest("pullrequest", "updated"),
  "pullrequest:approved": pullRequest("pullrequest", "approved"),
  "pullrequest:unapproved": pullRequest("pullrequest", "no longer approved"),
  "pullrequest:changes_request_created": pullRequest("pullrequest", "sent back for changes"),
  "pullrequest:changes_request_removed": pullRequest("pullrequest", "no longer sent back for changes"),
  "pullrequest:fulfilled": pullRequest("pullrequest", "merged"),
  "pullrequest:rejected": pullRequest("pullrequest", "declined"),
  "pullrequest:comment_created": comment("pullrequest"),
  "pullrequest:comment_updated": comment("pullrequest"),
  "pullrequest:comment_deleted": comment("pullrequest"),
  "pullrequest:comment_resolved": comment("pullrequest"),
  "pullrequest:comment_reopened": comment("pullrequest"),
  "pr:opened": pullRequest("pullRequest", "opened"),
  "pr:modified": pullRequest("pullRequest", "updated"),
  "pr:from_ref_updated": pullRequest("pullRequest", "updated with new commits"),
  "pr:reviewer:approved": pullRequest("pullRequest", "approved"),
  "pr:reviewer:unapproved": pullRequest("pullRequest", "no longer approved"),
  "pr:reviewer:needs_work": pullRequest("pullRequest", "sent back for changes"),
  "pr:merged": pullRequest("pullRequest", "merged"),
  "pr:declined": pullRequest("pullRequest", "declined"),
  "pr:deleted": pullRequest("pullRequest", "deleted"),
  "pr:comment:added": comment("pullRequest"),
  "pr:comment:edited": comment("pullRequest"),
  "pr:comment:deleted": comment("pullRequest")
}
