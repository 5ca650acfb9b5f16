import type { NotFound } from "@devops-mcp/domain/Errors"
import type { DeliveryId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { Delivery, Webhook } from "@devops-mcp/domain/Webhook"
import { Context, type Effect, type Redacted } from "effect"
import type { CursorError } from "./Cursor.ts"
import type { StoreError } from "./StoreError.ts"

/** What ingestion needs to know before the caller's tenant is known. */
export interface WebhookTarget {
  readonly tenantId: TenantId
  readonly webhook: Webhook
  readonly secret: Redacted.Redacted
}

/** Webhooks and what they received. */
export class WebhookRepository extends Context.Service<
  WebhookRepository,
  {
    readonly create: (
      tenantId: TenantId,
      webhook: Webhook,
      secret: Redacted.Redacted
    ) => Effect.Effect<Webhook, StoreError>
    readonly get: (tenantId: TenantId, id: WebhookId) => Effect.Effect<Webhook, NotFound | StoreError>
    readonly list: (tenantId: TenantId, page: PageRequest) => Effect.Effect<Page<Webhook>, CursorError | StoreError>
    readonly delete: (tenantId: TenantId, id: WebhookId) => Effect.Effect<void, NotFound | StoreError>
    /** Finds a webhook of any tenant by its unguessable id. */
    readonly target: (id: WebhookId) => Effect.Effect<WebhookTarget, NotFound | StoreError>
    /** Stores the delivery unless its (webhook, externalId) is there; answers the id of the stored one. */
    readonly accept: (
      tenantId: TenantId,
      delivery: Delivery
    ) => Effect.Effect<{ readonly deliveryId: DeliveryId; readonly duplicate: boolean }, StoreError>
    readonly getDelivery: (tenantId: TenantId, id: DeliveryId) => Effect.Effect<Delivery, NotFound | StoreError>
  }
>()("@devops-mcp/core/ports/WebhookRepository") {}
