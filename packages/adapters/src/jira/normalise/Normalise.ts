import { makeNormalise } from "../../normalise/Facts.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { issues } from "./Issues.ts"
import { planning } from "./Planning.ts"

const issueKeyShape = /^([A-Za-z][A-Za-z0-9_]{0,60})-\d{1,12}$/

/** The project's key, also when only the issue's is told. */
export const projectKeyOf = (payload: Payload) =>
  payload.line("issue", "fields", "project", "key") ??
  payload.line("project", "key") ??
  issueKeyShape.exec(payload.line("issue", "key") ?? "")?.[1] ??
  payload.id("version", "projectId") ??
  payload.id("sprint", "originBoardId")

const placeOf = (payload: Payload) => {
  const project = payload.at("issue", "fields", "project").isObject
    ? payload.at("issue", "fields", "project")
    : payload.at("project")
  const key = project.line("key")
  const name = project.line("name")
  if (name === undefined && key === undefined) return undefined
  return `the project ${name ?? key}${name === undefined || key === undefined ? "" : ` (${key})`}`
}

/** `jira:issue_created` is what happens to `issue`: the last word is the action. */
const parts = (type: string): readonly [family: string, action: string | undefined] => {
  const name = type.replace(/^jira:/, "")
  const cut = name.lastIndexOf("_")
  return cut < 1 ? [name, undefined] : [name.slice(0, cut), name.slice(cut + 1)]
}

/** Jira sends its REST addresses alone; the page of an issue is at the same host. */
const issuePage = (payload: Payload) => {
  const key = payload.line("issue", "key")
  const self = payload.url("issue", "self")
  if (key === undefined || self === undefined || !issueKeyShape.test(key)) return undefined
  const [base = ""] = self.split("/rest/")
  return `${base}/browse/${key}`
}

/** What a Jira delivery says, and the things whose events have a description of their own. */
export const { described, normalise } = makeNormalise({
  name: "Jira",
  families: [issues, planning],
  family: (type) => parts(type)[0],
  commons: (payload, type) => ({
    action: parts(type)[1],
    actor:
      payload.line("user", "displayName") ??
      payload.line("comment", "updateAuthor", "displayName") ??
      payload.line("comment", "author", "displayName") ??
      payload.line("worklog", "updateAuthor", "displayName") ??
      payload.line("worklog", "author", "displayName"),
    where: placeOf(payload),
    page: issuePage(payload),
    time: payload.time("timestamp")
  }),
  thing: (payload, type) => {
    const thing = payload.at(parts(type)[0])
    return thing.isObject ? thing : payload
  }
})
