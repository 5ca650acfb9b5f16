import type { Schema } from "effect"
import type { Sample } from "../Sample.ts"

const reference = (id: string, kind: string, summary: string) => ({
  html_url: `https://acme.pagerduty.com/${kind}s/${id}`,
  id,
  self: `https://api.pagerduty.com/${kind}s/${id}`,
  summary,
  type: `${kind}_reference`
})
const incident = {
  id: "PGR0VU2",
  type: "incident",
  self: "https://api.pagerduty.com/incidents/PGR0VU2",
  html_url: "https://acme.pagerduty.com/incidents/PGR0VU2",
  number: 2,
  status: "triggered",
  incident_key: "d3640fbd41094207a1c11e58e46b1662",
  created_at: "2025-12-30T15:16:29Z",
  title: "Checkout latency is high",
  service: reference("PF9KMXH", "service", "Web shop"),
  assignees: [reference("PTUXL6G", "user", "Ada Lovelace")],
  escalation_policy: reference("PUS0KTE", "escalation_policy", "Shop on call"),
  teams: [reference("PFCVPS0", "team", "Shop")],
  priority: reference("PSO75BM", "priority", "P1"),
  urgency: "high",
  conference_bridge: { conference_number: "+1 1234123412,,987654321#", conference_url: "https://example.com" },
  resolve_reason: null,
  incident_type: { name: "incident_default" }
}
const event = (type: string, data: Schema.JsonObject, resource = "incident"): Sample => ({
  eventType: type,
  of: resource,
  payload: {
    event: {
      id: "01BZOEUR9A7UOVLVK7RVR4GE6D",
      event_type: type,
      resource_type: resource,
      occurred_at: "2025-12-30T15:17:00.465Z",
      agent: reference("PLH1HKV", "user", "Grace Hopper"),
      client: null,
      data
    }
  }
})
const about = reference("PGR0VU2", "incident", "Checkout latency is high")

export const samples: ReadonlyArray<Sample> = [
  event("incident.triggered", incident),
  event("incident.acknowledged", { ...incident, status: "acknowledged" }),
  event("incident.unacknowledged", incident),
  event("incident.escalated", incident),
  event("incident.reassigned", { ...incident, assignees: [reference("P2", "user", "Alan Turing")] }),
  event("incident.delegated", incident),
  event("incident.priority_updated", incident),
  event("incident.reopened", incident),
  event("incident.resolved", { ...incident, status: "resolved", resolve_reason: { type: "merge_resolve_reason" } }),
  event("incident.annotated", {
    incident: about,
    id: "P1",
    content: "The cache is cold after the deploy.",
    trimmed: false,
    type: "incident_note"
  }),
  event("incident.status_update_published", {
    incident: about,
    id: "P2",
    message: "Payments work again.",
    trimmed: false,
    type: "incident_status_update"
  }),
  event("incident.responder.added", {
    incident: about,
    user: reference("P3", "user", "Alan Turing"),
    escalation_policy: null,
    message: "Please help with the cache.",
    state: "pending",
    type: "incident_responder"
  }),
  event("incident.responder.replied", {
    incident: about,
    user: reference("P3", "user", "Alan Turing"),
    message: "On my way.",
    state: "accepted",
    type: "incident_responder"
  }),
  event("incident.conference_bridge.updated", {
    incident: about,
    conference_numbers: [{ label: "", number: "+1 555 0100,,987654321#" }],
    conference_url: "https://meet.example.com/j/1?pwd=hunter2hunter2",
    type: "incident_conference_bridge"
  }),
  event(
    "service.created",
    { ...reference("PF9KMXH", "service", "Web shop"), teams: [about], type: "service" },
    "service"
  ),
  event("service.deleted", { ...reference("PF9KMXH", "service", "Web shop"), type: "service" }, "service"),
  event("incident.workflow.started", { ...about, type: "incident_workflow_instance" }),
  event("pagey.ping", { message: "Hello from your friend Pagey!", type: "ping" }, "pagey")
]
