import type { WebhookAdapter, WebhookHeaders } from "@devops-mcp/core/ports/WebhookAdapter"
import { Effect, type Schema } from "effect"
import { Payload } from "../normalise/Payload.ts"
import { groupOf, idFrom, makeIdOfBody, requiredHeader } from "../webhooks/Identity.ts"
import { makeVerifySha256 } from "../webhooks/Signatures.ts"
import { normalise, repositoryOf } from "./normalise/Normalise.ts"

const eventKeyShape = /^[A-Za-z0-9_:.-]{1,100}$/

/** Bitbucket: Cloud, whose deliveries are named by `X-Request-UUID`, and Data Center, where it is `X-Request-Id`. */
export const makeBitbucketWebhooks = Effect.gen(function* () {
  const verify = yield* makeVerifySha256("BitbucketWebhooks.verify", "x-hub-signature")
  const idOfBody = yield* makeIdOfBody

  const identify = Effect.fn("BitbucketWebhooks.identify")(function* (
    headers: WebhookHeaders,
    json: Schema.Json,
    body: string
  ) {
    return {
      externalId: (yield* idFrom(headers, "x-request-uuid", "x-request-id")) ?? (yield* idOfBody(body)),
      eventType: yield* requiredHeader(headers, "x-event-key", eventKeyShape, "an event key such as repo:push"),
      ...groupOf(repositoryOf(new Payload(json)))
    }
  })

  const adapter: WebhookAdapter = { source: "bitbucket", verify, identify, normalise }
  return adapter
})
