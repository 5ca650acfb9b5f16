import type { Schema } from "effect"
import type { Sample } from "../Sample.ts"

const person = (displayName: string) => ({
  self: "https://acme.atlassian.net/rest/api/2/user?accountId=99:27935d01",
  accountId: "99:27935d01",
  avatarUrls: { "16x16": "https://avatar.example.com/1.png" },
  displayName,
  active: true,
  timeZone: "Europe/Paris",
  accountType: "atlassian"
})
const user = person("Ada Lovelace")
const timestamp = 1767139200123

const issue = {
  id: "10002",
  self: "https://acme.atlassian.net/rest/api/2/issue/10002",
  key: "SHOP-42",
  fields: {
    summary: "Checkout fails for empty carts",
    description: "Press *Pay* with an empty cart.",
    issuetype: { id: "10004", name: "Bug", subtask: false },
    project: { id: "10000", key: "SHOP", name: "Web shop", projectTypeKey: "software" },
    priority: { id: "2", name: "High" },
    status: { id: "3", name: "In Progress", statusCategory: { key: "indeterminate" } },
    assignee: person("Grace Hopper"),
    reporter: user,
    resolution: null,
    labels: ["checkout", "cart"],
    components: [{ id: "1", name: "Payments" }],
    fixVersions: [{ id: "3", name: "1.1" }],
    created: "2025-12-29T10:00:00.000+0100",
    updated: "2025-12-30T10:00:00.000+0100"
  }
}

const comment = {
  self: "https://acme.atlassian.net/rest/api/2/issue/10002/comment/252789",
  id: "252789",
  author: user,
  body: "It happens on *every* phone.",
  updateAuthor: user,
  created: "2025-12-30T18:27:46.000+0000",
  updated: "2025-12-30T18:27:46.000+0000"
}

const changelog = (...items: ReadonlyArray<Schema.JsonObject>) => ({ id: "10124", items })
const event = (webhookEvent: string, of: string, more: Schema.JsonObject): Sample => ({
  eventType: webhookEvent,
  of,
  payload: { timestamp, webhookEvent, ...more }
})

const version = {
  self: "https://acme.atlassian.net/rest/api/2/version/10401",
  id: 10401,
  description: "Everything faster",
  name: "1.1",
  archived: false,
  released: true,
  releaseDate: "2025-12-31",
  projectId: 10000
}
const sprint = {
  id: 4,
  self: "https://acme.atlassian.net/rest/agile/1.0/sprint/4",
  state: "active",
  name: "Sprint 12",
  startDate: "2025-12-22T09:00:00.000Z",
  endDate: "2026-01-05T09:00:00.000Z",
  originBoardId: 7,
  goal: "A cart that never forgets"
}

export const samples: ReadonlyArray<Sample> = [
  event("jira:issue_created", "a bug", { issue_event_type_name: "issue_created", user, issue }),
  event("jira:issue_updated", "moved on the board", {
    issue_event_type_name: "issue_generic",
    user,
    issue,
    changelog: changelog({
      field: "status",
      fieldtype: "jira",
      fieldId: "status",
      from: "10000",
      fromString: "To Do",
      to: "3",
      toString: "In Progress"
    })
  }),
  event("jira:issue_updated", "described anew and assigned", {
    issue_event_type_name: "issue_assigned",
    user,
    issue,
    changelog: changelog(
      { field: "assignee", fieldtype: "jira", from: null, fromString: null, to: "x", toString: "Grace Hopper" },
      { field: "description", fieldtype: "jira", from: null, fromString: "Old text", to: null, toString: "New text" }
    )
  }),
  event("jira:issue_deleted", "a bug", { issue_event_type_name: "issue_deleted", user, issue }),
  event("comment_created", "on a bug", { comment, issue }),
  event("comment_updated", "on a bug", { comment: { ...comment, updateAuthor: person("Grace Hopper") }, issue }),
  event("comment_deleted", "on a bug", { comment, issue }),
  event("worklog_created", "two hours", {
    worklog: {
      self: "https://acme.atlassian.net/rest/api/2/issue/10002/worklog/10100",
      author: user,
      updateAuthor: user,
      comment: "Looked for the cause",
      created: "2025-12-30T15:54:52.127+0000",
      updated: "2025-12-30T15:54:52.127+0000",
      started: "2025-12-30T12:54:00.000+0000",
      timeSpent: "2h",
      timeSpentSeconds: 7200,
      id: "10100",
      issueId: "10002"
    }
  }),
  event("sprint_started", "with a goal", { sprint }),
  event("sprint_closed", "with a goal", { sprint: { ...sprint, state: "closed" } }),
  event("jira:version_released", "a version", { version }),
  event("jira:version_created", "a version", { version: { ...version, released: false } }),
  event("project_created", "a project", {
    project: {
      self: "https://acme.atlassian.net/rest/api/2/project/10000",
      id: 10000,
      key: "SHOP",
      name: "Web shop",
      projectLead: user,
      assigneeType: "UNASSIGNED"
    }
  }),
  event("board_created", "a board", { board: { id: 7, name: "Shop board", type: "scrum" } }),
  event("issuelink_created", "a blocker", {
    issueLink: {
      id: 10201,
      sourceIssueId: 10002,
      destinationIssueId: 10003,
      issueLinkType: { id: 10000, name: "Blocks", outwardName: "blocks", inwardName: "is blocked by" }
    }
  }),
  event("attachment_created", "a screenshot", {
    attachment: { id: "1", filename: "cart.png", author: user, created: "2025-12-30T10:00:00.000+0100", size: 1024 }
  }),
  event("user_created", "no description of its own", { user: { ...user, name: "grace" } })
]
