import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { Effect, type Schema } from "effect"
import { Payload } from "../normalise/Payload.ts"
import { eventTypeOf, groupOf, idFrom, makeIdOfBody } from "../webhooks/Identity.ts"
import { makeVerifySha256 } from "../webhooks/Signatures.ts"
import { normalise, projectKeyOf } from "./normalise/Normalise.ts"

/** Jira, Cloud and Data Center: signed with SHA-256; what happened is told by the payload. */
export const makeJiraWebhooks = Effect.gen(function* () {
  const verify = yield* makeVerifySha256("JiraWebhooks.verify", "x-hub-signature")
  const idOfBody = yield* makeIdOfBody

  const identify = Effect.fn("JiraWebhooks.identify")(function* (
    headers: WebhookHeaders,
    json: Schema.Json,
    body: string
  ) {
    const payload = new Payload(json)
    return {
      externalId: (yield* idFrom(headers, "x-atlassian-webhook-identifier")) ?? (yield* idOfBody(body)),
      eventType: eventTypeOf(payload.line("webhookEvent")),
      ...groupOf(projectKeyOf(payload))
    }
  })

  const adapter: WebhookAdapter = { source: "jira", verify, identify, normalise }
  return adapter
})
