import { type Describe, type Describers, headed, numbered, quoted, saying } from "../../normalise/Describe.ts"
import type { Payload } from "../../normalise/Payload.ts"

const titleOf = (incident: Payload) => incident.line("title") ?? incident.line("summary")

const nameOf = (incident: Payload) => `${numbered("incident", incident.int("number"))}${quoted(titleOf(incident))}`

const incident =
  (outcome: string): Describe =>
  ({ payload, who, where }) => {
    const incident = payload.at("event", "data")
    if (!incident.isObject) return undefined
    return {
      title: headed(`${numbered("Incident", incident.int("number"))} ${outcome}`, titleOf(incident)),
      summary: [
        `The ${nameOf(incident)} of ${where} was ${outcome} by ${who}.`,
        saying(incident.line("status"), (status) => `Status: ${status}.`),
        saying(incident.line("urgency"), (urgency) => `Urgency: ${urgency}.`),
        saying(incident.line("priority", "summary"), (priority) => `Priority: ${priority}.`),
        saying(incident.names(["assignees"], "summary"), (names) => `Assigned to: ${names}.`),
        saying(incident.line("escalation_policy", "summary"), (policy) => `Escalation policy: ${policy}.`),
        saying(incident.names(["teams"], "summary"), (names) => `Teams: ${names}.`),
        saying(incident.line("resolve_reason", "type"), (reason) => `Reason: ${reason.replaceAll("_", " ")}.`),
        saying(incident.line("incident_type", "name"), (type) => `Type: ${type}.`)
      ]
    }
  }

/** Notes, updates and requests come with a reference to their incident. */
const about =
  (noun: string, verb: string, sentenceOf: (data: Payload) => ReadonlyArray<string | undefined>): Describe =>
  ({ payload, who, where }) => {
    const data = payload.at("event", "data")
    if (!data.isObject) return undefined
    const reference = data.at("incident")
    return {
      title: headed(`${noun} ${verb}`, data.line("content") ?? data.line("message") ?? titleOf(reference)),
      summary: [`${noun}, for the ${nameOf(reference)} of ${where}: ${verb} by ${who}.`, ...sentenceOf(data)]
    }
  }

const responder = (verb: string) =>
  about("Responder", verb, (data) => [
    saying(data.line("user", "summary") ?? data.line("escalation_policy", "summary"), (name) => `Responder: ${name}.`),
    saying(data.line("state"), (state) => `State: ${state}.`),
    saying(data.prose("message"), (text) => `Message: ${text}`)
  ])

/** Incidents: what happens to them, and what people say about them. */
export const incidents: Describers = {
  "incident.triggered": incident("triggered"),
  "incident.acknowledged": incident("acknowledged"),
  "incident.unacknowledged": incident("no longer acknowledged"),
  "incident.resolved": incident("resolved"),
  "incident.reopened": incident("reopened"),
  "incident.escalated": incident("escalated"),
  "incident.delegated": incident("delegated to another escalation policy"),
  "incident.reassigned": incident("reassigned"),
  "incident.priority_updated": incident("given another priority"),
  "incident.service_updated": incident("moved to another service"),
  "incident.incident_type.changed": incident("given another type"),
  "incident.annotated": about("Incident note", "added", (data) => [
    saying(data.prose("content"), (text) => `Note: ${text}`)
  ]),
  "incident.status_update_published": about("Status update", "published", (data) => [
    saying(data.prose("message"), (text) => `Update: ${text}`)
  ]),
  "incident.conference_bridge.updated": about("Conference bridge", "updated", () => []),
  "incident.responder.added": responder("added"),
  "incident.responder.replied": responder("replied")
}
