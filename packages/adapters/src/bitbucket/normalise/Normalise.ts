import { makeNormalise } from "../../normalise/Facts.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { code } from "./Code.ts"
import { issues } from "./Issues.ts"
import { pullRequests } from "./PullRequests.ts"

/** The repository's full name; Data Center has its project's key and its slug apart. */
const fullName = (repository: Payload) => {
  const slug = repository.line("slug")
  const project = repository.line("project", "key")
  return (
    repository.line("full_name") ??
    (slug === undefined ? undefined : project === undefined ? slug : `${project}/${slug}`)
  )
}

export const repositoryOf = (payload: Payload) =>
  fullName(payload.at("repository")) ?? fullName(payload.at("pullRequest", "toRef", "repository"))

/** What is behind the last colon, and of that the last word: `pullrequest:comment_created` is `created`. */
const actionOf = (type: string) => type.slice(type.lastIndexOf(":") + 1).replace(/^.*_/, "")

/** What a Bitbucket delivery says, and the event keys with a description of their own. */
export const { described, normalise } = makeNormalise({
  name: "Bitbucket",
  families: [code, issues, pullRequests],
  commons: (payload, type) => ({
    action: type.includes(":") ? actionOf(type) : undefined,
    repository: repositoryOf(payload),
    actor:
      payload.line("actor", "nickname") ??
      payload.line("actor", "display_name") ??
      payload.line("actor", "name") ??
      payload.line("actor", "displayName"),
    page: payload.url("repository", "links", "html", "href"),
    time: payload.time("date")
  }),
  thing: (payload, type) => {
    const thing = payload.at(type.split(":")[0] ?? "")
    return thing.isObject ? thing : payload
  }
})
