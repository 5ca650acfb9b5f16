import { makeNormalise } from "../../normalise/Facts.ts"
import type { Payload } from "../../normalise/Payload.ts"
import { code } from "./Code.ts"
import { deployments } from "./Deployments.ts"
import { issuesAndDiscussions } from "./Issues.ts"
import { people } from "./People.ts"
import { pipelines } from "./Pipelines.ts"
import { planning } from "./Planning.ts"
import { pullRequests } from "./PullRequests.ts"
import { repositories } from "./Repositories.ts"
import { security } from "./Security.ts"

const organizationOf = (payload: Payload) => {
  const organization = payload.login("organization")
  return organization === undefined ? undefined : `the organization ${organization}`
}

/** What a GitHub delivery says, and the event types with a description of their own. */
export const { described: describedTypes, normalise } = makeNormalise({
  name: "GitHub",
  families: [
    code,
    deployments,
    issuesAndDiscussions,
    people,
    pipelines,
    planning,
    pullRequests,
    repositories,
    security
  ],
  commons: (payload) => ({
    action: payload.line("action"),
    repository: payload.line("repository", "full_name"),
    actor: payload.login("sender") ?? payload.line("pusher", "name"),
    where: organizationOf(payload),
    page:
      payload.url("repository", "html_url") ??
      payload.url("organization", "html_url") ??
      payload.url("installation", "html_url")
  }),
  thing: (payload, type) => payload.at(type)
})
