import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { Effect, type Schema } from "effect"
import { Payload } from "../normalise/Payload.ts"
import { groupOf, requiredHeader, requiredId } from "../webhooks/Identity.ts"
import { makeVerifySha256 } from "../webhooks/Signatures.ts"
import { normalise } from "./normalise/Normalise.ts"

const eventNameShape = /^[a-z0-9_]{1,100}$/

const identify = Effect.fn("GitHubWebhooks.identify")(function* (headers: WebhookHeaders, json: Schema.Json) {
  const payload = new Payload(json)
  return {
    externalId: yield* requiredId(headers, "x-github-delivery"),
    eventType: yield* requiredHeader(
      headers,
      "x-github-event",
      eventNameShape,
      "1 to 100 characters of a-z, 0-9 and _"
    ),
    ...groupOf(payload.line("repository", "full_name") ?? payload.login("organization"))
  }
})

/** GitHub, github.com and Enterprise Server: signed with SHA-256, named by headers, described in `normalise/`. */
export const makeGitHubWebhooks = Effect.map(
  makeVerifySha256("GitHubWebhooks.verify", "x-hub-signature-256"),
  (verify): WebhookAdapter => ({ source: "github", verify, identify, normalise })
)
