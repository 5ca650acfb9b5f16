import type { EventFacts } from "@devops-mcp/domain/Event"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { DateTime } from "effect"
import { code } from "./Code.ts"
import { type Describe, type Description, type Occurrence, saying } from "./Describe.ts"
import { deployments } from "./Deployments.ts"
import { describeGeneric } from "./Generic.ts"
import { issuesAndDiscussions } from "./Issues.ts"
import { Payload } from "./Payload.ts"
import { people } from "./People.ts"
import { pipelines } from "./Pipelines.ts"
import { planning } from "./Planning.ts"
import { pullRequests } from "./PullRequests.ts"
import { repositories } from "./Repositories.ts"
import { security } from "./Security.ts"
import { cleaned, shortened, summaryLimit, titleLimit } from "./Text.ts"

/** A map and not an object: event names come from outside and may be `constructor`. */
const describers: ReadonlyMap<string, Describe> = new Map(
  [code, deployments, issuesAndDiscussions, people, pipelines, planning, pullRequests, repositories, security].flatMap(
    (family) => Object.entries(family)
  )
)

/** The event types with a description of their own. */
export const describedTypes: ReadonlyArray<string> = [...describers.keys()].toSorted()

/** GitHub's clock may be a little ahead of ours. */
const clockSkew = "5 minutes"

const sentence = (text: string) => (/[.!?…:]$/.test(text) ? text : `${text}.`)

const place = (repository: string | undefined, payload: Payload) => {
  if (repository !== undefined) return `the repository ${repository}`
  const organization = payload.login("organization")
  return organization === undefined ? "GitHub" : `the organization ${organization}`
}

const pageOf = (payload: Payload) =>
  payload.url("repository", "html_url") ??
  payload.url("organization", "html_url") ??
  payload.url("installation", "html_url")

const occurredAt = (description: Description, receivedAt: DateTime.Utc) => {
  const latest = DateTime.addDuration(receivedAt, clockSkew)
  return (
    description.occurredAt?.find((moment) => moment !== undefined && DateTime.isLessThanOrEqualTo(moment, latest)) ??
    receivedAt
  )
}

/** What a GitHub delivery says. Pure and total; every text in it is bounded and free of secrets we can recognise. */
export const normalise = (delivery: Pick<Delivery, "eventType" | "payload" | "receivedAt">): EventFacts => {
  const type = cleaned(delivery.eventType, 100) || "unknown"
  const payload = new Payload(delivery.payload)
  const action = saying(payload.line("action"), (text) => shortened(text, 100))
  const repository = payload.line("repository", "full_name")
  const actor = payload.login("sender") ?? payload.line("pusher", "name")
  const occurrence: Occurrence = {
    payload,
    action: action ?? "",
    who: actor ?? "someone",
    where: place(repository, payload)
  }
  const description = describers.get(type)?.(occurrence) ?? describeGeneric(type, occurrence)
  const url = description.url ?? pageOf(payload)
  const sentences = description.summary.flatMap((text) => (text === undefined ? [] : sentence(text)))
  return {
    type,
    ...(action !== undefined && { action }),
    ...(repository !== undefined && { repository }),
    ...(actor !== undefined && { actor }),
    title: cleaned(description.title, titleLimit),
    summary: shortened(sentences.join(" "), summaryLimit),
    ...(url !== undefined && { url }),
    occurredAt: occurredAt(description, delivery.receivedAt)
  }
}
