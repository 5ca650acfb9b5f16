import {
  counted,
  type Describe,
  type Describers,
  done,
  headed,
  inWords,
  quoted,
  refInWords,
  saying,
  shortSha
} from "../../normalise/Describe.ts"
import { changedFiles, commitInWords } from "../../normalise/Commits.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { momentOf } from "./Moments.ts"

const commitLine = (commit: Payload) =>
  commitInWords(
    commit.line("id"),
    commit.line("author", "username") ?? commit.line("author", "name"),
    commit.prose("message")
  )

const commitsOf = (payload: Payload) => {
  const commits = payload.list("commits")
  if (commits.length > 0) return commits
  const head = payload.at("head_commit")
  return head.isObject && !payload.flag("deleted") ? [head] : []
}

/** The change in a few words for the title, and as the beginning of a sentence that ends with the repository. */
const pushed = (payload: Payload, target: string, count: number): readonly [short: string, long: string] => {
  const commits = counted(count, "commit")
  if (payload.flag("deleted")) return ["deleted", `deleted the ${target} from`]
  if (payload.flag("created")) return [count === 0 ? "created" : `created with ${commits}`, `created the ${target} in`]
  if (payload.flag("forced")) return [`forced, ${commits}`, `force-pushed ${commits} to the ${target} of`]
  return [commits, `pushed ${commits} to the ${target} of`]
}

const push: Describe = ({ payload, who, where }) => {
  const ref = payload.line("ref")
  if (ref === undefined) return undefined
  const target = refInWords(ref)
  const commits = commitsOf(payload)
  const count = payload.size("commits")
  const [short, long] = pushed(payload, target, count)
  const listed = commits.length === 0 ? undefined : `Commits: ${commits.map(commitLine).join("; ")}.`
  return {
    title: headed(`Push to ${target} (${short})`, payload.line("head_commit", "message")),
    summary: [
      `${who} ${long} ${where}.`,
      listed,
      count > commits.length ? `There are ${count - commits.length} more commits.` : undefined,
      changedFiles(commits)
    ],
    url: payload.flag("deleted") ? undefined : payload.url("compare"),
    occurredAt: [payload.time("repository", "pushed_at"), payload.time("head_commit", "timestamp")]
  }
}

const ref =
  (verb: "created" | "deleted"): Describe =>
  ({ payload, who, where }) => {
    const name = payload.line("ref")
    const kind = payload.line("ref_type")
    if (kind === undefined) return undefined
    return {
      title: headed(`${kind === "tag" ? "Tag" : kind === "branch" ? "Branch" : "Repository"} ${verb}`, name),
      summary: [
        `The ${kind}${quoted(name)} was ${verb} in ${where} by ${who}.`,
        saying(payload.line("master_branch"), (main) => `The default branch is ${main}.`)
      ],
      occurredAt: [payload.time("repository", "pushed_at")]
    }
  }

const commitComment: Describe = ({ payload, action, who, where }) => {
  const comment = payload.at("comment")
  if (!comment.isObject) return undefined
  const commit = shortSha(comment.line("commit_id"))
  return {
    title: headed(`Comment on commit ${commit ?? ""}`.trim() + ` ${done(action)}`, comment.line("body")),
    summary: [
      `A comment by ${comment.login("user") ?? who} on the commit ${commit ?? "of an unknown hash"} in ${where} ` +
        `was ${done(action)} by ${who}.`,
      saying(comment.line("path"), (path) => `It is on the file ${path}.`),
      saying(comment.prose("body"), (body) => `Comment: ${body}`)
    ],
    url: comment.url("html_url"),
    occurredAt: momentOf(comment, action)
  }
}

const gollum: Describe = ({ payload, who, where }) => {
  const pages = payload.list("pages")
  const [first] = pages
  if (first === undefined) return undefined
  const changes = pages.map(
    (page) =>
      `${quoted(page.line("title") ?? page.line("page_name") ?? "untitled").trim()} ` +
      `(${page.line("action") ?? "changed"})`
  )
  return {
    title: headed(
      `Wiki ${pages.length === 1 ? `page ${first.line("action") ?? "changed"}` : "pages changed"}`,
      payload.names(["pages"], "title")
    ),
    summary: [
      `${who} changed the wiki, the documentation pages, of ${where}.`,
      `Pages: ${changes.join(", ")}.`,
      saying(first.prose("summary"), (text) => `Summary: ${text}`)
    ],
    url: first.url("html_url")
  }
}

const release: Describe = ({ payload, action, who, where }) => {
  const release = payload.at("release")
  if (!release.isObject) return undefined
  const tag = release.line("tag_name")
  const kind = release.flag("prerelease") ? "prerelease" : release.flag("draft") ? "draft release" : "release"
  return {
    title: headed(`Release ${tag ?? ""}`.trim() + ` ${done(action)}`, release.line("name")),
    summary: [
      `The ${kind} ${tag ?? "without a tag"}${quoted(release.line("name"))} of ${where} was ${done(action)} by ${who}.`,
      saying(
        release.line("target_commitish"),
        (target) => `It was built from ${target} and has ${counted(release.size("assets"), "asset")}.`
      ),
      saying(release.prose("body"), (body) => `Release notes: ${body}`)
    ],
    url: release.url("html_url"),
    occurredAt: ["published", "released", "prereleased", "created"].includes(action)
      ? [release.time("published_at"), release.time("created_at")]
      : momentOf(release, action)
  }
}

const deployKey: Describe = ({ payload, action, who, where }) => {
  const key = payload.at("key")
  if (!key.isObject) return undefined
  return {
    title: headed(`Deploy key ${done(action)}`, key.line("title")),
    summary: [
      `The deploy key${quoted(key.line("title"))}, an SSH key with access to ${where}, was ${done(action)} by ${who}.`,
      `It may ${key.flag("read_only") ? "only read" : "read and write"}.`
    ],
    occurredAt: momentOf(key, action)
  }
}

const branchProtectionRule: Describe = ({ payload, action, who, where }) => {
  const rule = payload.at("rule")
  if (!rule.isObject) return undefined
  const changes = payload.at("changes").keys.map(inWords)
  return {
    title: headed(`Branch protection rule ${done(action)}`, rule.line("name")),
    summary: [
      `The branch protection rule for the branch${quoted(rule.line("name"))} in ${where} was ${done(action)} by ` +
        `${who}.`,
      saying(rule.names(["required_status_checks"]), (checks) => `Required status checks: ${checks}.`),
      saying(rule.line("required_approving_review_count"), (count) => `Required approving reviews: ${count}.`),
      changes.length === 0 ? undefined : `Changed settings: ${changes.join(", ")}.`
    ],
    occurredAt: momentOf(rule, action)
  }
}

const branchProtectionConfiguration: Describe = ({ action, who, where }) => ({
  title: `Branch protection ${done(action)}`,
  summary: [`All branch protection rules of ${where} were ${done(action)} by ${who}.`]
})

const ruleset: Describe = ({ payload, action, who, where }) => {
  const rules = payload.at("repository_ruleset")
  if (!rules.isObject) return undefined
  return {
    title: headed(`Ruleset ${done(action)}`, rules.line("name")),
    summary: [
      `The ruleset${quoted(rules.line("name"))}, which protects branches and tags of ${where}, was ` +
        `${done(action)} by ${who}.`,
      saying(rules.line("enforcement"), (enforcement) => `Its enforcement is ${enforcement}.`)
    ],
    url: rules.url("_links", "html", "href"),
    occurredAt: momentOf(rules, action)
  }
}

/** Commits, branches and tags, releases, the wiki, and what protects them. */
export const code: Describers = {
  push,
  create: ref("created"),
  delete: ref("deleted"),
  commit_comment: commitComment,
  gollum,
  release,
  deploy_key: deployKey,
  branch_protection_rule: branchProtectionRule,
  branch_protection_configuration: branchProtectionConfiguration,
  repository_ruleset: ruleset
}
