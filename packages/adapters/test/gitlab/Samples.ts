import type { Schema } from "effect"
import type { Sample } from "../Sample.ts"

const project = {
  id: 15,
  name: "Shop",
  description: "The web shop",
  web_url: "https://gitlab.example.com/acme/web/shop",
  avatar_url: null,
  git_ssh_url: "git@gitlab.example.com:acme/web/shop.git",
  git_http_url: "https://gitlab.example.com/acme/web/shop.git",
  namespace: "Web",
  visibility_level: 0,
  path_with_namespace: "acme/web/shop",
  default_branch: "main"
}
const user = {
  id: 4,
  name: "Ada Lovelace",
  username: "ada",
  avatar_url: "https://g.example.com/a.png",
  email: "a@b.org"
}
const labels = [{ id: 206, title: "checkout", color: "#ffffff", project_id: 15, type: "ProjectLabel" }]
const zero = "0".repeat(40)
const sha = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"

const commit = {
  id: sha,
  message: "Fix the checkout\n\nThe cart was emptied too early.\n",
  title: "Fix the checkout",
  timestamp: "2025-12-30T23:36:29+02:00",
  url: `https://gitlab.example.com/acme/web/shop/-/commit/${sha}`,
  author: { name: "Ada Lovelace", email: "ada@example.com" },
  added: ["src/cart.ts"],
  modified: ["src/checkout.ts"],
  removed: []
}

const push = {
  object_kind: "push",
  event_name: "push",
  before: "95790bf891e76fee5e1747ab589903a6a1f80f22",
  after: sha,
  ref: "refs/heads/main",
  ref_protected: true,
  checkout_sha: sha,
  user_id: 4,
  user_name: "Ada Lovelace",
  user_username: "ada",
  user_email: "ada@example.com",
  project_id: 15,
  project,
  commits: [
    { ...commit, id: "b6568db1bc1dcd7f8b4d5a946b0b91f9dacd7327", message: "Add tests", title: "Add tests" },
    commit
  ],
  total_commits_count: 2
}

const mergeRequest = (action: string, more: Schema.JsonObject = {}, changes: Schema.JsonObject = {}) => ({
  object_kind: "merge_request",
  event_type: "merge_request",
  user,
  project,
  object_attributes: {
    id: 99,
    iid: 7,
    title: "Faster cart",
    description: "The cart keeps its sums.",
    source_branch: "faster-cart",
    target_branch: "main",
    state: "opened",
    merge_status: "unchecked",
    draft: false,
    created_at: "2025-12-30 10:23:34 UTC",
    updated_at: "2025-12-31 11:00:00 UTC",
    url: "https://gitlab.example.com/acme/web/shop/-/merge_requests/7",
    last_commit: commit,
    action,
    ...more
  },
  labels,
  changes,
  assignees: [user],
  reviewers: [{ id: 6, name: "Grace Hopper", username: "grace" }]
})

const issue = (action: string, changes: Schema.JsonObject = {}) => ({
  object_kind: "issue",
  event_type: "issue",
  user,
  project,
  object_attributes: {
    id: 301,
    iid: 23,
    title: "Checkout fails for empty carts",
    description: "Press *Pay* with an empty cart.",
    state: action === "close" ? "closed" : "opened",
    type: "Issue",
    confidential: false,
    due_date: "2026-02-01",
    created_at: "2025-12-30T15:31:46Z",
    updated_at: "2025-12-31T12:00:00Z",
    url: "https://gitlab.example.com/acme/web/shop/-/issues/23",
    action
  },
  labels,
  changes,
  assignees: [user]
})

const note = (noteable: string, more: Schema.JsonObject) => ({
  object_kind: "note",
  event_type: "note",
  user,
  project_id: 15,
  project,
  object_attributes: {
    id: 1244,
    note: "This needs a test.",
    noteable_type: noteable,
    created_at: "2025-12-31 09:00:00 UTC",
    updated_at: "2025-12-31 09:00:00 UTC",
    url: "https://gitlab.example.com/acme/web/shop/-/notes/1244",
    action: "create"
  },
  ...more
})

const pipeline = (status: string) => ({
  object_kind: "pipeline",
  object_attributes: {
    id: 31,
    iid: 3,
    name: "Pipeline for main",
    ref: "main",
    tag: false,
    sha,
    source: "merge_request_event",
    status,
    detailed_status: status,
    stages: ["build", "test", "deploy"],
    created_at: "2025-12-31 15:23:28 UTC",
    finished_at: "2025-12-31 15:26:29 UTC",
    duration: 63,
    variables: [{ key: "DEPLOY_TOKEN", value: "hunter2-hunter2" }],
    url: "https://gitlab.example.com/acme/web/shop/-/pipelines/31"
  },
  merge_request: { id: 1, iid: 7, title: "Faster cart", source_branch: "faster-cart", target_branch: "main" },
  user,
  project,
  commit,
  builds: [
    { id: 380, stage: "test", name: "unit", status, finished_at: "2025-12-31 15:26:12 UTC", when: "on_success" },
    { id: 377, stage: "build", name: "image", status: "success", when: "on_success" }
  ]
})

const build = {
  object_kind: "build",
  ref: "main",
  tag: false,
  before_sha: zero,
  sha,
  build_id: 1977,
  build_name: "unit",
  build_stage: "test",
  build_status: "failed",
  build_created_at: "2025-12-31T02:41:37.886Z",
  build_started_at: "2025-12-31T02:41:40.000Z",
  build_finished_at: "2025-12-31T02:42:40.000Z",
  build_duration: 60.5,
  build_allow_failure: false,
  build_failure_reason: "script_failure",
  pipeline_id: 31,
  runner: { id: 380987, description: "shared-runners-manager-6", runner_type: "instance_type", tags: ["linux"] },
  project_id: 15,
  project_name: "Web / Shop",
  user,
  commit: { id: 31, sha, message: "Fix the checkout", author_name: "Ada Lovelace", status: "failed" },
  repository: { name: "shop", homepage: "https://gitlab.example.com/acme/web/shop" },
  project,
  environment: null
}

const release = {
  object_kind: "release",
  id: 1,
  created_at: "2025-12-30 12:55:32 UTC",
  description: "Faster carts.",
  name: "v1.1",
  released_at: "2025-12-31 12:55:32 UTC",
  tag: "v1.1",
  project,
  url: "https://gitlab.example.com/acme/web/shop/-/releases/v1.1",
  action: "create",
  assets: { count: 5, links: [], sources: [] },
  commit
}

export const samples: ReadonlyArray<Sample> = [
  { eventType: "push", of: "two commits", payload: push },
  { eventType: "push", of: "a new branch", payload: { ...push, before: zero, commits: [], total_commits_count: 0 } },
  { eventType: "push", of: "a deleted branch", payload: { ...push, after: zero, commits: [], total_commits_count: 0 } },
  {
    eventType: "tag_push",
    of: "a new tag",
    payload: {
      ...push,
      object_kind: "tag_push",
      event_name: "tag_push",
      before: zero,
      ref: "refs/tags/v1.1",
      message: "Version 1.1",
      commits: [],
      total_commits_count: 0
    }
  },
  { eventType: "merge_request", of: "opened", payload: mergeRequest("open") },
  {
    eventType: "merge_request",
    of: "updated",
    payload: mergeRequest("update", { draft: true }, { title: { previous: "Cart", current: "Faster cart" } })
  },
  { eventType: "merge_request", of: "approved", payload: mergeRequest("approved") },
  { eventType: "merge_request", of: "merged", payload: mergeRequest("merge", { state: "merged" }) },
  { eventType: "merge_request", of: "closed", payload: mergeRequest("close", { state: "closed" }) },
  { eventType: "issue", of: "opened", payload: issue("open") },
  {
    eventType: "issue",
    of: "updated",
    payload: issue("update", {
      updated_at: { previous: null, current: null },
      labels: { previous: [], current: labels }
    })
  },
  { eventType: "issue", of: "closed", payload: issue("close") },
  {
    eventType: "note",
    of: "on a merge request",
    payload: note("MergeRequest", { merge_request: { id: 7, iid: 7, title: "Faster cart" } })
  },
  {
    eventType: "note",
    of: "on an issue",
    payload: note("Issue", { issue: { id: 92, iid: 23, title: "Checkout fails" } })
  },
  { eventType: "note", of: "on a commit", payload: note("Commit", { commit: { id: sha, message: "Fix" } }) },
  { eventType: "note", of: "on a snippet", payload: note("Snippet", { snippet: { id: 53, title: "How to pay" } }) },
  { eventType: "pipeline", of: "failed", payload: pipeline("failed") },
  { eventType: "pipeline", of: "running", payload: pipeline("running") },
  { eventType: "build", of: "failed", payload: build },
  {
    eventType: "deployment",
    of: "succeeded",
    payload: {
      object_kind: "deployment",
      status: "success",
      status_changed_at: "2025-12-31 21:50:00 +0200",
      deployment_id: 15,
      deployable_id: 796,
      deployable_url: "https://gitlab.example.com/acme/web/shop/-/jobs/796",
      environment: "staging",
      environment_tier: "staging",
      environment_slug: "staging",
      environment_external_url: "https://staging.example.com",
      project,
      short_sha: "279484c0",
      user,
      user_url: "https://gitlab.example.com/ada",
      commit_url: "https://gitlab.example.com/acme/web/shop/-/commit/279484c0",
      commit_title: "Fix the checkout",
      ref: "main"
    }
  },
  { eventType: "release", of: "created", payload: release },
  {
    eventType: "wiki_page",
    of: "created",
    payload: {
      object_kind: "wiki_page",
      user,
      project,
      wiki: { web_url: "https://gitlab.example.com/acme/web/shop/-/wikis/home" },
      object_attributes: {
        title: "Refunds",
        content: "Refunds take two days.",
        format: "markdown",
        message: "Describe refunds",
        slug: "refunds",
        url: "https://gitlab.example.com/acme/web/shop/-/wikis/refunds",
        action: "create"
      }
    }
  },
  {
    eventType: "milestone",
    of: "closed",
    payload: {
      object_kind: "milestone",
      event_type: "milestone",
      project,
      object_attributes: {
        id: 61,
        iid: 10,
        title: "v1.1",
        description: "Everything faster",
        state: "closed",
        due_date: "2026-01-15",
        created_at: "2025-11-16 14:48:53 UTC",
        updated_at: "2025-12-16 14:48:53 UTC"
      },
      action: "close"
    }
  },
  {
    eventType: "feature_flag",
    of: "no description of its own",
    payload: {
      object_kind: "feature_flag",
      project,
      user,
      object_attributes: { id: 6, name: "new-cart", description: "The new cart", active: true }
    }
  },
  {
    eventType: "user_add_to_group",
    of: "a group's event",
    payload: {
      created_at: "2025-12-11T04:57:22Z",
      group_name: "Web",
      group_path: "acme/web",
      group_id: 100,
      user_username: "grace",
      user_name: "Grace Hopper",
      user_id: 64,
      group_access: "Guest",
      event_name: "user_add_to_group"
    }
  }
]
