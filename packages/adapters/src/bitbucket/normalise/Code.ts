import { commitInWords } from "../../normalise/Commits.ts"
import {
  counted,
  type Describe,
  type Describers,
  headed,
  inWords,
  quoted,
  saying,
  shortSha
} from "../../normalise/Describe.ts"
import { onBranch, outcome } from "../../normalise/Outcomes.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { happened, momentsOf, pageOf, personOf, textOf } from "./Words.ts"

const commitLine = (commit: Payload) =>
  commitInWords(
    commit.line("hash"),
    personOf(commit.at("author", "user")) ?? commit.line("author", "raw"),
    commit.prose("message")
  )

const refOf = (ref: Payload) => `${inWords(ref.line("type") ?? "branch")} ${ref.line("name") ?? "without a name"}`

/** One changed branch or tag, in a few words. */
const change = (change: Payload) => {
  const commits = counted(change.size("commits"), "commit")
  if (change.flag("closed") || !change.at("new").isObject) return `${refOf(change.at("old"))} deleted`
  if (change.flag("created") || !change.at("old").isObject) return `${refOf(change.at("new"))} created with ${commits}`
  return `${refOf(change.at("new"))}, ${change.flag("forced") ? "forced, " : ""}${commits}`
}

const push: Describe = ({ payload, who, where }) => {
  const changes = payload.list("push", "changes")
  const [first] = changes
  if (first === undefined) return undefined
  const commits = changes.flatMap((entry) => entry.list("commits")).slice(0, 10)
  const more = changes.length > 1 ? ` and ${counted(changes.length - 1, "other change")}` : ""
  return {
    title: headed(
      `Push to ${change(first)}${more}`,
      first.line("new", "target", "message") ?? commits[0]?.line("message")
    ),
    summary: [
      `${who} pushed to ${where}: ${changes.map(change).join("; ")}.`,
      commits.length === 0 ? undefined : `Commits: ${commits.map(commitLine).join("; ")}`,
      changes.some((entry) => entry.flag("truncated")) ? "There are more commits." : undefined
    ],
    url: pageOf(first),
    occurredAt: [first.time("new", "date"), first.time("new", "target", "date")]
  }
}

const refsChanged: Describe = ({ payload, who, where }) => {
  const changes = payload.list("changes").flatMap((entry) => {
    const name = entry.line("ref", "displayId") ?? entry.line("refId")
    if (name === undefined) return []
    const kind = (entry.line("ref", "type") ?? "branch").toLowerCase()
    return [`${kind} ${name} (${(entry.line("type") ?? "update").toLowerCase()})`]
  })
  const [first] = changes
  if (first === undefined) return undefined
  return {
    title: `Push to ${first}${changes.length > 1 ? ` and ${counted(changes.length - 1, "other change")}` : ""}`,
    summary: [`${who} pushed to ${where}: ${changes.join("; ")}.`]
  }
}

const commitStatus: Describe = ({ payload, who, where }) => {
  const status = payload.at("commit_status")
  if (!status.isObject) return undefined
  const states = new Map([
    ["SUCCESSFUL", "success"],
    ["FAILED", "failed"],
    ["INPROGRESS", "in_progress"],
    ["STOPPED", "canceled"]
  ])
  const sent = status.line("state")
  const state = outcome(states.get(sent ?? "") ?? sent?.toLowerCase())
  const name = status.line("name") ?? status.line("key")
  const branch = status.line("refname")
  const commit = status.line("commit", "hash") ?? /\/commit\/([0-9a-f]{7,40})/.exec(commitAddress(status))?.[1]
  return {
    title: headed(
      `Build${quoted(name)} ${state}${branch === undefined ? "" : ` on ${branch}`}`,
      status.line("description")
    ),
    summary: [
      `The CI build status${quoted(name)} ${state}${onBranch(branch, commit)} in ${where}; ${who} caused it.`,
      saying(status.line("description"), (text) => `Description: ${text}`)
    ],
    url: status.url("url"),
    occurredAt: [status.time("updated_on"), status.time("created_on")]
  }
}

/** The API's address of the commit, of which only the hash is read. */
const commitAddress = (status: Payload) => status.line("links", "commit", "href") ?? ""

const commitComment: Describe = ({ payload, action, who, where }) => {
  const comment = payload.at("comment")
  if (!comment.isObject) return undefined
  const commit = shortSha(payload.line("commit", "hash") ?? payload.line("commit"))
  return {
    title: headed(`Comment on commit ${commit ?? ""}`.trim(), comment.line("content", "raw") ?? comment.line("text")),
    summary: [
      `A comment by ${personOf(comment.at("user")) ?? who} on the commit ${commit ?? "of an unknown hash"} in ${where} ` +
        `was ${happened(action)} by ${who}.`,
      saying(comment.line("inline", "path"), (path) => `It is on the file ${path}.`),
      saying(textOf(comment), (text) => `Comment: ${text}`)
    ],
    url: pageOf(comment),
    occurredAt: momentsOf(comment, action)
  }
}

const fork: Describe = ({ payload, who, where }) => {
  const fork = payload.at("fork")
  if (!fork.isObject) return undefined
  return {
    title: headed("Repository forked", fork.line("full_name")),
    summary: [`${who} forked ${where} as ${fork.line("full_name") ?? "a new repository"}.`],
    url: pageOf(fork),
    occurredAt: [fork.time("created_on")]
  }
}

/** Pushes, builds, comments on commits, forks. */
export const code: Describers = {
  "repo:push": push,
  "repo:refs_changed": refsChanged,
  "repo:commit_status_created": commitStatus,
  "repo:commit_status_updated": commitStatus,
  "repo:commit_comment_created": commitComment,
  "repo:fork": fork
}
