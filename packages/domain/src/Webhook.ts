import { Schema } from "effect"
import { Name, Timestamp } from "./Fields.ts"
import { DeliveryId, WebhookId } from "./Ids.ts"

/** Tools that send us webhooks; `generic` is every other that signs like GitHub. */
export const WebhookSource = Schema.Literals(["github", "gitlab", "jira", "bitbucket", "slack", "pagerduty", "generic"])
export type WebhookSource = typeof WebhookSource.Type

/** An address a tool posts to. Its secret verifies deliveries and is shown only when it is created. */
export const Webhook = Schema.Struct({
  id: WebhookId,
  source: WebhookSource,
  name: Name,
  createdAt: Timestamp
}).annotate({ identifier: "Webhook" })
export type Webhook = typeof Webhook.Type

/** One accepted HTTP delivery. (webhook, externalId) is unique: a repeat is recognised for as long as the first is kept. */
export const Delivery = Schema.Struct({
  id: DeliveryId,
  webhookId: WebhookId,
  source: WebhookSource,
  /** The sender's own id of the delivery, for GitHub `X-GitHub-Delivery`; the body's SHA-256 where it has none. */
  externalId: Schema.String,
  /** The sender's event name, for GitHub `X-GitHub-Event`, for Jira `webhookEvent`. */
  eventType: Schema.String,
  payload: Schema.Json,
  /** The object that the payload is in when it is too large for a row, whose payload is then null. */
  payloadKey: Schema.optionalKey(Schema.String),
  receivedAt: Timestamp
}).annotate({ identifier: "Delivery" })
export type Delivery = typeof Delivery.Type
