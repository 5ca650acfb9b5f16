import { Name, Timestamp } from "@devops-mcp/domain/Fields"
import { DeliveryId, WebhookId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import { Webhook, WebhookSource } from "@devops-mcp/domain/Webhook"
import { longestSecretOverlap } from "@devops-mcp/resilience/Policies"
import { Duration, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { guarded, Requires, requires } from "./Authorization.ts"
import { idempotent } from "./Idempotency.ts"
import { listQuery } from "./Lists.ts"
import {
  BadRequest,
  CommonProblems,
  InternalError,
  NotFound,
  PayloadTooLarge,
  Unauthorized,
  Unavailable,
  UnsupportedMediaType
} from "./Problems.ts"

const params = { id: WebhookId }

const secret = Schema.optionalKey(
  Schema.String.check(Schema.isBetweenLength(16, 200)).annotate({
    description:
      "What the sender signs with, for senders that make it themselves: Slack's signing secret, a signing token of GitLab or PagerDuty. Made by us when absent."
  })
)

export const CreateWebhook = Schema.Struct({
  source: WebhookSource,
  name: Name,
  secret
}).annotate({ identifier: "CreateWebhook" })

/** A webhook with where to send deliveries. */
export const WebhookWithUrl = Schema.Struct({ ...Webhook.fields, url: Schema.String }).annotate({
  identifier: "WebhookWithUrl"
})

/** The secret is in this answer only. */
export const CreatedWebhook = Schema.Struct({ ...WebhookWithUrl.fields, secret: Schema.String }).annotate({
  identifier: "CreatedWebhook"
})

/** For how long the secret that is replaced verifies beside the new one: 24 hours when absent, 0 for not at all. */
export const RotateWebhookSecret = Schema.Struct({
  secret,
  overlapSeconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Duration.toSeconds(longestSecretOverlap) }))
  )
}).annotate({ identifier: "RotateWebhookSecret" })

/** The new secret is in this answer only. */
export const RotatedWebhookSecret = Schema.Struct({
  ...CreatedWebhook.fields,
  /** Until then the secret of before verifies too; absent when it does not. */
  previousExpiresAt: Schema.optionalKey(Timestamp)
}).annotate({ identifier: "RotatedWebhookSecret" })

export class WebhooksApi extends guarded(
  "webhooks",
  HttpApiEndpoint.post("create", "/", {
    payload: CreateWebhook,
    success: CreatedWebhook.pipe(HttpApiSchema.status(201)),
    error: CommonProblems
  }).pipe(idempotent, requires("webhooks:admin")),
  HttpApiEndpoint.get("list", "/", {
    query: listQuery,
    success: Page(WebhookWithUrl),
    error: CommonProblems
  }).pipe(requires("webhooks:admin")),
  HttpApiEndpoint.get("get", "/:id", { params, success: WebhookWithUrl, error: CommonProblems }).pipe(
    requires("webhooks:admin")
  ),
  HttpApiEndpoint.post("rotateSecret", "/:id/rotate-secret", {
    params,
    payload: RotateWebhookSecret,
    success: RotatedWebhookSecret,
    error: CommonProblems
  }).pipe(idempotent, requires("webhooks:admin")),
  HttpApiEndpoint.delete("delete", "/:id", { params, error: CommonProblems }).pipe(requires("webhooks:admin"))
)
  .prefix("/webhooks")
  .annotateMerge(
    OpenApi.annotations({ title: "Webhooks", description: "Addresses that tools post their events to" })
  ) {}

/** `deliveryId` is ours; a repeated delivery gets the first one's. */
export const AcceptedDelivery = Schema.Struct({
  deliveryId: DeliveryId,
  status: Schema.Literals(["accepted", "duplicate"])
}).annotate({ identifier: "AcceptedDelivery" })

/** What a sender reads back to know that the address is ours: Slack's `url_verification`. */
export const DeliveryChallenge = Schema.Struct({ challenge: Schema.String }).annotate({
  identifier: "DeliveryChallenge"
})

/** The signature is the credential, and the body is whatever the tool sends. */
const delivery = (operation: Record<string, unknown>): Record<string, unknown> => ({
  ...operation,
  requestBody: { required: true, content: { "application/json": { schema: {} } } },
  security: []
})

/** Where tools post. Its only credential is the signature, checked over the raw body. */
export class DeliveriesApi extends HttpApiGroup.make("deliveries")
  .add(
    HttpApiEndpoint.post("receive", "/:id", {
      params,
      success: [AcceptedDelivery.pipe(HttpApiSchema.status(202)), DeliveryChallenge],
      error: [BadRequest, Unauthorized, NotFound, PayloadTooLarge, UnsupportedMediaType, InternalError, Unavailable]
    })
      .annotate(Requires, "signature")
      .annotate(OpenApi.Transform, delivery)
  )
  .prefix("/webhooks")
  .annotateMerge(OpenApi.annotations({ title: "Deliveries", description: "Signed deliveries from tools" })) {}
