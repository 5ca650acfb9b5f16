import { changedFiles, commitInWords } from "../../normalise/Commits.ts"
import {
  counted,
  type Describe,
  type Describers,
  headed,
  quoted,
  refInWords,
  saying
} from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { happened, labelsOf, momentsOf, people, reference, changesOf } from "./Words.ts"

const nothing = /^0+$/

const commitLine = (commit: Payload) =>
  commitInWords(commit.line("id"), commit.line("author", "name"), commit.prose("message"))

/** The change in a few words for the title, and as the beginning of a sentence that ends with the repository. */
const pushed = (payload: Payload, target: string, count: number): readonly [short: string, long: string] => {
  const commits = counted(count, "commit")
  if (nothing.test(payload.line("after") ?? "")) return ["deleted", `deleted the ${target} from`]
  if (nothing.test(payload.line("before") ?? "")) {
    return [count === 0 ? "created" : `created with ${commits}`, `created the ${target} in`]
  }
  return [commits, `pushed ${commits} to the ${target} of`]
}

const push: Describe = ({ payload, who, where }) => {
  const ref = payload.line("ref")
  if (ref === undefined) return undefined
  const target = refInWords(ref)
  const commits = payload.list("commits")
  const count = payload.int("total_commits_count") ?? payload.size("commits")
  const last = commits.at(-1)
  const [short, long] = pushed(payload, target, count)
  return {
    title: headed(`Push to ${target} (${short})`, payload.line("message") ?? last?.line("title")),
    summary: [
      `${who} ${long} ${where}.`,
      saying(payload.prose("message"), (message) => `Message: ${message}`),
      commits.length === 0 ? undefined : `Commits: ${commits.map(commitLine).join("; ")}`,
      count > commits.length ? `There are ${count - commits.length} more commits.` : undefined,
      changedFiles(commits)
    ],
    url: last?.url("url"),
    occurredAt: [last?.time("timestamp")]
  }
}

const outcomeOf = (merge: Payload, action: string) => {
  if (action !== "close") return happened(action)
  return merge.line("state") === "merged" ? "merged" : "closed without being merged"
}

const mergeRequest: Describe = ({ payload, action, who, where }) => {
  const merge = payload.at("object_attributes")
  if (!merge.isObject) return undefined
  const outcome = outcomeOf(merge, action)
  return {
    title: headed(`${reference("Merge request", "!", merge)} ${outcome}`, merge.line("title")),
    summary: [
      `The ${reference("merge request", "!", merge)}${quoted(merge.line("title"))} in ${where} was ${outcome} by ${who}.`,
      saying(
        merge.line("source_branch"),
        (source) => `It brings the branch ${source} into ${merge.line("target_branch") ?? "its target"}.`
      ),
      merge.flag("draft") || merge.flag("work_in_progress") ? "It is a draft." : undefined,
      changesOf(payload),
      saying(people(payload, "assignees"), (names) => `Assignees: ${names}.`),
      saying(people(payload, "reviewers"), (names) => `Reviewers: ${names}.`),
      saying(labelsOf(payload), (labels) => `Labels: ${labels}.`),
      saying(merge.prose("last_commit", "message"), (message) => `Last commit: ${message}`),
      saying(merge.prose("description"), (text) => `Description: ${text}`)
    ],
    url: merge.url("url"),
    occurredAt: momentsOf(merge, action)
  }
}

const release: Describe = ({ payload, action, who, where }) => {
  const tag = payload.line("tag")
  if (tag === undefined) return undefined
  return {
    title: headed(`Release ${tag} ${happened(action)}`, payload.line("name")),
    summary: [
      `The release ${tag}${quoted(payload.line("name"))} of ${where} was ${happened(action)} by ` +
        `${payload.line("commit", "author", "name") ?? who}.`,
      saying(payload.line("assets", "count"), (count) => `Its assets number ${count}.`),
      saying(payload.prose("commit", "message"), (message) => `Commit: ${message}`),
      saying(payload.prose("description"), (text) => `Release notes: ${text}`)
    ],
    url: payload.url("url"),
    occurredAt: action === "create" ? [payload.time("released_at"), payload.time("created_at")] : []
  }
}

const wikiPage: Describe = ({ payload, action, who, where }) => {
  const page = payload.at("object_attributes")
  if (!page.isObject) return undefined
  const name = page.line("title") ?? page.line("slug")
  return {
    title: headed(`Wiki page ${happened(action)}`, name),
    summary: [
      `The wiki page${quoted(name)}, part of the documentation of ${where}, was ${happened(action)} by ${who}.`,
      saying(page.prose("message"), (text) => `Message: ${text}`),
      saying(page.prose("content"), (text) => `Content: ${text}`)
    ],
    url: page.url("url")
  }
}

/** Commits, branches and tags, merge requests, releases and the wiki. */
export const code: Describers = {
  push,
  tag_push: push,
  merge_request: mergeRequest,
  release,
  wiki_page: wikiPage
}
