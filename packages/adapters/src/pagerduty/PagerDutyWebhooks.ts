import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { Effect, Redacted, type Schema } from "effect"
import { Hex } from "effect/encoding"
import { Payload } from "../normalise/Payload.ts"
import { eventTypeOf, groupOf, makeIdOfBody } from "../webhooks/Identity.ts"
import { bytesOf, makeRequireSigned } from "../webhooks/Signatures.ts"
import { normalise } from "./normalise/Normalise.ts"

/** PagerDuty's V3 webhooks: one event a request, signed with every secret that the subscription has at the time. */
export const makePagerDutyWebhooks = Effect.gen(function* () {
  const requireSigned = yield* makeRequireSigned
  const idOfBody = yield* makeIdOfBody

  const verify: WebhookAdapter["verify"] = Effect.fn("PagerDutyWebhooks.verify")(function* ({ body, headers, secret }) {
    yield* requireSigned({
      key: bytesOf(Redacted.value(secret)),
      text: body,
      signatures: (headers["x-pagerduty-signature"] ?? "").split(",").map((signature) => signature.trim()),
      encode: (tag) => `v1=${Hex.encode(tag)}`
    })
  })

  /** `X-Webhook-Id` names the subscription, not the delivery. */
  const identify = Effect.fn("PagerDutyWebhooks.identify")(function* (
    _headers: WebhookHeaders,
    json: Schema.Json,
    body: string
  ) {
    const event = new Payload(json).at("event")
    return {
      externalId: event.id("id") ?? (yield* idOfBody(body)),
      eventType: eventTypeOf(event.line("event_type")),
      ...groupOf(event.line("data", "incident", "id") ?? event.line("data", "id"))
    }
  })

  const adapter: WebhookAdapter = { source: "pagerduty", verify, identify, normalise }
  return adapter
})
