import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { Effect, type Schema } from "effect"
import { Payload } from "../normalise/Payload.ts"
import { eventTypeOf, groupOf, idFrom, makeIdOfBody } from "../webhooks/Identity.ts"
import { makeVerifySha256 } from "../webhooks/Signatures.ts"
import { normalise, projectOf } from "./Normalise.ts"

const idFields = ["delivery_id", "deliveryId", "event_id", "eventId", "id"]
const typeFields = ["event_type", "eventType", "type", "event", "kind"]

/** Every other sender: signed as GitHub does, named and described by what such payloads usually have. */
export const makeGenericWebhooks = Effect.gen(function* () {
  const verify = yield* makeVerifySha256("GenericWebhooks.verify", "x-signature-256", "x-hub-signature-256")
  const idOfBody = yield* makeIdOfBody

  /** `X-Request-Id` comes late: proxies write it too, and then a repeat has another. */
  const identify = Effect.fn("GenericWebhooks.identify")(function* (
    headers: WebhookHeaders,
    json: Schema.Json,
    body: string
  ) {
    const payload = new Payload(json)
    const own = yield* idFrom(headers, "x-delivery-id", "x-event-id", "webhook-id", "idempotency-key")
    const told = own ?? idFields.map((field) => payload.id(field)).find((id) => id !== undefined)
    return {
      externalId: told ?? (yield* idFrom(headers, "x-request-id")) ?? (yield* idOfBody(body)),
      eventType: eventTypeOf(headers["x-event-type"] ?? headers["x-event"] ?? payload.first(...typeFields)),
      ...groupOf(projectOf(payload))
    }
  })

  const adapter: WebhookAdapter = { source: "generic", verify, identify, normalise }
  return adapter
})
