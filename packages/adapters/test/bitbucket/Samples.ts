import type { Schema } from "effect"
import type { Sample } from "../Sample.ts"

const page = (path: string) => ({
  self: { href: `https://api.bitbucket.org/2.0/repositories/${path}` },
  html: { href: `https://bitbucket.org/${path}` }
})
const actor = {
  type: "user",
  display_name: "Ada Lovelace",
  nickname: "ada",
  account_id: "557058:ba8948b2",
  uuid: "{d301aafa-d676-4ee0-88be-962be7417567}",
  links: { html: { href: "https://bitbucket.org/%7Bd301aafa%7D/" } }
}
const repository = {
  type: "repository",
  name: "shop",
  full_name: "acme/shop",
  uuid: "{673a6070-3421-46c9-9d48-90745f7bfe8e}",
  workspace: { slug: "acme", name: "Acme" },
  project: { key: "WEB", name: "Web" },
  is_private: true,
  links: page("acme/shop")
}
const hash = "709d658dc5b6d6afcd46049c2f332ee3f515a67d"
const commit = {
  type: "commit",
  hash,
  message: "Fix the checkout\n",
  date: "2025-12-30T03:58:56+00:00",
  author: { type: "author", raw: "Ada Lovelace <ada@example.com>", user: actor },
  links: page(`acme/shop/commits/${hash}`)
}
const branch = (name: string, type = "branch") => ({
  type,
  name,
  target: commit,
  links: page(`acme/shop/branch/${name}`)
})
const change = {
  old: branch("main"),
  new: branch("main"),
  created: false,
  closed: false,
  forced: false,
  truncated: false,
  commits: [commit],
  links: { html: { href: "https://bitbucket.org/acme/shop/branches/compare/709d658..1e65c05" } }
}
const pull = {
  type: "pullrequest",
  id: 7,
  title: "Faster cart",
  description: "The cart keeps its sums.",
  state: "OPEN",
  author: actor,
  source: { branch: { name: "faster-cart" }, commit: { hash: "d3022fc0ca3d" }, repository },
  destination: { branch: { name: "main" }, commit: { hash: "ce5965ddd289" }, repository },
  merge_commit: null,
  reviewers: [{ ...actor, nickname: "grace", display_name: "Grace Hopper" }],
  close_source_branch: true,
  closed_by: null,
  reason: "",
  created_on: "2025-12-29T15:00:00.000000+00:00",
  updated_on: "2025-12-30T15:00:00.000000+00:00",
  links: page("acme/shop/pull-requests/7")
}
const comment = {
  id: 17,
  content: { raw: "This needs a test.", html: "<p>This needs a test.</p>", markup: "markdown" },
  inline: { path: "src/cart.ts", from: null, to: 10 },
  user: actor,
  created_on: "2025-12-30T16:00:00.000000+00:00",
  updated_on: "2025-12-30T16:05:00.000000+00:00",
  links: page("acme/shop/pull-requests/7/_/diff#comment-17")
}
const issue = {
  id: 5,
  title: "Checkout fails",
  type: "issue",
  content: { raw: "Press pay with an empty cart." },
  priority: "major",
  kind: "bug",
  state: "new",
  assignee: actor,
  created_on: "2025-12-28T15:00:00.000000+00:00",
  updated_on: "2025-12-29T15:00:00.000000+00:00",
  links: page("acme/shop/issues/5")
}
const status = {
  type: "build",
  name: "Unit tests",
  description: "3 of 200 tests failed",
  state: "FAILED",
  key: "unit",
  refname: "main",
  url: "https://ci.example.com/builds/1",
  commit,
  created_on: "2025-12-30T01:26:43.000000+00:00",
  updated_on: "2025-12-30T01:27:43.000000+00:00",
  links: { commit: { href: `https://api.bitbucket.org/2.0/repositories/acme/shop/commit/${hash}` } }
}
const event = (eventType: string, of: string, more: Schema.JsonObject): Sample => ({
  eventType,
  of,
  payload: { actor, repository, ...more }
})

/** Data Center's payloads have another shape. */
const dataCenter = {
  date: "2025-12-30T09:58:11+1000",
  actor: { name: "ada", emailAddress: "ada@example.com", id: 1, displayName: "Ada Lovelace", slug: "ada" }
}
const dcRepository = { slug: "shop", id: 84, name: "Shop", project: { key: "WEB", id: 84, name: "Web" } }

export const samples: ReadonlyArray<Sample> = [
  event("repo:push", "one commit", { push: { changes: [change] } }),
  event("repo:push", "a new tag and a deleted branch", {
    push: {
      changes: [
        { ...change, old: null, new: branch("v1.1", "tag"), created: true, commits: [] },
        { ...change, new: null, old: branch("faster-cart"), closed: true, commits: [] }
      ]
    }
  }),
  event("repo:fork", "a fork", { fork: { ...repository, full_name: "grace/shop", links: page("grace/shop") } }),
  event("repo:commit_comment_created", "on a commit", { comment, commit }),
  event("repo:commit_status_created", "running", {
    commit_status: { ...status, state: "INPROGRESS", description: "" }
  }),
  event("repo:commit_status_updated", "failed", { commit_status: status }),
  event("pullrequest:created", "opened", { pullrequest: pull }),
  event("pullrequest:updated", "updated", { pullrequest: pull }),
  event("pullrequest:approved", "approved", {
    pullrequest: pull,
    approval: { date: "2025-12-30T17:00:00.000000+00:00", user: { ...actor, nickname: "grace" } }
  }),
  event("pullrequest:changes_request_created", "not yet", {
    pullrequest: pull,
    changes_request: { date: "2025-12-30T18:00:00.000000+00:00", user: { ...actor, nickname: "grace" } }
  }),
  event("pullrequest:fulfilled", "merged", { pullrequest: { ...pull, state: "MERGED", closed_by: actor } }),
  event("pullrequest:rejected", "declined", { pullrequest: { ...pull, state: "DECLINED", reason: "Too slow" } }),
  event("pullrequest:comment_created", "on a line", { pullrequest: pull, comment }),
  event("pullrequest:comment_deleted", "on a line", { pullrequest: pull, comment }),
  event("issue:created", "a bug", { issue }),
  event("issue:updated", "resolved", {
    issue,
    comment,
    changes: { status: { old: "new", new: "resolved" }, content: { old: "a", new: "b" } }
  }),
  event("issue:comment_created", "on a bug", { issue, comment }),
  event("repo:updated", "no description of its own", { changes: { name: { old: "store", new: "shop" } } }),
  {
    eventType: "repo:refs_changed",
    of: "Data Center",
    payload: {
      eventKey: "repo:refs_changed",
      ...dataCenter,
      repository: dcRepository,
      changes: [
        {
          ref: { id: "refs/heads/main", displayId: "main", type: "BRANCH" },
          refId: "refs/heads/main",
          fromHash: "ecddabb624f6f5ba43816f5926e580a5f680a932",
          toHash: "178864a7d521b6f5e720b386b2c2b0ef8563e0dc",
          type: "UPDATE"
        }
      ]
    }
  },
  {
    eventType: "pr:opened",
    of: "Data Center",
    payload: {
      eventKey: "pr:opened",
      ...dataCenter,
      pullRequest: {
        id: 1,
        version: 0,
        title: "Faster cart",
        state: "OPEN",
        createdDate: 1767052800000,
        updatedDate: 1767052800000,
        fromRef: { id: "refs/heads/faster-cart", displayId: "faster-cart", repository: dcRepository },
        toRef: { id: "refs/heads/main", displayId: "main", repository: dcRepository },
        links: { self: [null] }
      }
    }
  },
  { eventType: "diagnostics:ping", of: "Data Center's test", payload: { test: true } }
]
