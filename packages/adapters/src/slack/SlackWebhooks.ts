import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { Effect, Redacted, type Schema } from "effect"
import { Hex } from "effect/encoding"
import { Payload } from "../normalise/Payload.ts"
import { eventTypeOf, groupOf, makeIdOfBody } from "../webhooks/Identity.ts"
import { bytesOf, makeRequireSigned, refused, requireFresh, timestampHeader } from "../webhooks/Signatures.ts"
import { channelOf, normalise } from "./normalise/Normalise.ts"

const signatureShape = /^v0=[0-9a-f]{64}$/

const challenge = (json: Schema.Json) => {
  const payload = new Payload(json)
  return payload.line("type") === "url_verification" ? payload.id("challenge") : undefined
}

/** Slack's Events API: time and body are signed with the app's signing secret; one address is verified by a challenge. */
export const makeSlackWebhooks = Effect.gen(function* () {
  const requireSigned = yield* makeRequireSigned
  const idOfBody = yield* makeIdOfBody

  const verify: WebhookAdapter["verify"] = Effect.fn("SlackWebhooks.verify")(function* ({ body, headers, secret }) {
    const timestamp = yield* timestampHeader(headers, "x-slack-request-timestamp")
    const signature = headers["x-slack-signature"]
    if (signature === undefined || !signatureShape.test(signature)) return yield* refused()
    yield* requireSigned({
      key: bytesOf(Redacted.value(secret)),
      text: `v0:${timestamp}:${body}`,
      signatures: [signature],
      encode: (tag) => `v0=${Hex.encode(tag)}`
    })
    yield* requireFresh(timestamp)
  })

  const identify = Effect.fn("SlackWebhooks.identify")(function* (
    _headers: WebhookHeaders,
    json: Schema.Json,
    body: string
  ) {
    const payload = new Payload(json)
    return {
      externalId: payload.id("event_id") ?? (yield* idOfBody(body)),
      eventType: eventTypeOf(payload.line("event", "type") ?? payload.line("type")),
      ...groupOf(payload.line("team_id"), channelOf(payload))
    }
  })

  const adapter: WebhookAdapter = { source: "slack", verify, identify, challenge, normalise }
  return adapter
})
