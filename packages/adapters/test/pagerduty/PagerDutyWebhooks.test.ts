import { webhookAdapterConformance } from "@devops-mcp/testing/conformance/WebhookAdapter"
import { signPagerDuty } from "@devops-mcp/testing/WebhookSigners"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Adapters, adapterOf } from "../Adapters.ts"

const header = "x-pagerduty-signature"

webhookAdapterConformance("PagerDuty", Adapters, {
  source: "pagerduty",
  eventType: "incident.triggered",
  identity: {},
  namedByBody: true,
  payload: { event: { event_type: "incident.triggered" } },
  sign: signPagerDuty,
  both: (one, other) => ({ [header]: `${one[header]},${other[header]}` })
})

layer(Adapters)("PagerDutyWebhooks", (it) => {
  it.effect("names deliveries by the event's id and keeps what happens to an incident together", () =>
    Effect.gen(function* () {
      const { identify } = yield* adapterOf("pagerduty")
      const headers = { "x-webhook-id": "the subscription's" }
      const event = { id: "01BZOEUR9A7UOVLVK7RVR4GE6D", event_type: "incident.annotated" }
      const named = { externalId: event.id, eventType: event.event_type, group: "PGR0VU2" }
      const note = { event: { ...event, data: { id: "N1", incident: { id: "PGR0VU2" } } } }
      assert.deepStrictEqual(yield* identify(headers, note, "{}"), named)
      const incident = { event: { ...event, data: { id: "PGR0VU2" } } }
      assert.deepStrictEqual(yield* identify(headers, incident, "{}"), named)
    })
  )
})
