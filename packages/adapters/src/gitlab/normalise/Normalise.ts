import { makeNormalise } from "../../normalise/Facts.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { code } from "./Code.ts"
import { pipelines } from "./Pipelines.ts"
import { planning } from "./Planning.ts"

/** The project's path with its groups. */
export const repositoryOf = (payload: Payload) =>
  payload.line("project", "path_with_namespace") ?? payload.line("path_with_namespace")

const groupOf = (payload: Payload) => {
  const group = payload.first("group_path", "full_path") ?? payload.line("group", "full_path")
  return group === undefined ? undefined : `the group ${group}`
}

/** What a GitLab delivery says, and the kinds of event with a description of their own. */
export const { described, normalise } = makeNormalise({
  name: "GitLab",
  families: [code, pipelines, planning],
  commons: (payload) => ({
    action: payload.line("object_attributes", "action") ?? payload.line("action"),
    repository: repositoryOf(payload),
    actor:
      payload.line("user", "username") ??
      payload.line("user_username") ??
      payload.line("user", "name") ??
      payload.line("user_name"),
    where: groupOf(payload),
    page: payload.url("project", "web_url") ?? payload.url("group", "web_url")
  }),
  thing: (payload) => {
    const thing = payload.at("object_attributes")
    return thing.isObject ? thing : payload
  }
})
