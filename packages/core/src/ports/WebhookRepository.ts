import type { NotFound } from "@devops-mcp/domain/Errors"
import type { DeliveryId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import type { Page, PageRequest } from "@devops-mcp/domain/Page"
import type { Delivery, Webhook } from "@devops-mcp/domain/Webhook"
import { Context, type DateTime, type Effect, type Redacted } from "effect"
import type { SealedText } from "../secrets/SealedText.ts"
import type { CursorError } from "./Cursor.ts"
import type { PreparedJobs } from "./JobQueue.ts"
import type { StoreError } from "./StoreError.ts"

/** A webhook's secret as it is stored: sealed, or plain in a row of an earlier version that no rotation has sealed yet. */
export type StoredSecret =
  | { readonly _tag: "Sealed"; readonly sealed: SealedText }
  | { readonly _tag: "Plain"; readonly plain: Redacted.Redacted }

/** A secret that is still to be sealed. */
export interface PlainSecret {
  readonly id: WebhookId
  readonly plain: Redacted.Redacted
}

/** What ingestion needs to know before the caller's tenant is known. */
export interface WebhookTarget {
  readonly tenantId: TenantId
  readonly webhook: Webhook
  readonly secret: StoredSecret
  /** The one before, which verifies too until then. */
  readonly previous?: { readonly sealed: SealedText; readonly expiresAt: DateTime.Utc }
}

/** Webhooks and what they received. */
export class WebhookRepository extends Context.Service<
  WebhookRepository,
  {
    readonly create: (tenantId: TenantId, webhook: Webhook, secret: SealedText) => Effect.Effect<Webhook, StoreError>
    readonly get: (tenantId: TenantId, id: WebhookId) => Effect.Effect<Webhook, NotFound | StoreError>
    readonly list: (tenantId: TenantId, page: PageRequest) => Effect.Effect<Page<Webhook>, CursorError | StoreError>
    readonly delete: (tenantId: TenantId, id: WebhookId) => Effect.Effect<void, NotFound | StoreError>
    /** Finds a webhook of any tenant by its unguessable id. */
    readonly target: (id: WebhookId) => Effect.Effect<WebhookTarget, NotFound | StoreError>
    /** Some of the tenant's webhooks whose secret is still plain. */
    readonly plainSecrets: (tenantId: TenantId, limit: number) => Effect.Effect<ReadonlyArray<PlainSecret>, StoreError>
    /** Puts a sealed secret in the place of the plain one; false when there is none any more. */
    readonly sealSecret: (tenantId: TenantId, id: WebhookId, secret: SealedText) => Effect.Effect<boolean, StoreError>
    /**
     * Puts a sealed secret in the place of another one, which is kept as the previous one until a time, or not at all.
     * A plain one must have been sealed before.
     */
    readonly rotateSecret: (
      tenantId: TenantId,
      id: WebhookId,
      secret: SealedText,
      previousExpiresAt: DateTime.Utc | undefined
    ) => Effect.Effect<Webhook, NotFound | StoreError>
    /**
     * Notes that a delivery's payload is about to be put into an object, in a transaction of its own: whatever becomes of
     * the delivery, the object is known to who removes it.
     */
    readonly noteObject: (
      tenantId: TenantId,
      id: DeliveryId,
      receivedAt: DateTime.Utc
    ) => Effect.Effect<void, StoreError>
    /**
     * Stores the deliveries whose (webhook, externalId) are not there yet, each with the job that is in its place, all or
     * none, and answers for each, in the same order, the id of the stored one.
     */
    readonly accept: (
      tenantId: TenantId,
      deliveries: ReadonlyArray<Delivery>,
      jobs: PreparedJobs
    ) => Effect.Effect<ReadonlyArray<{ readonly deliveryId: DeliveryId; readonly duplicate: boolean }>, StoreError>
    readonly getDelivery: (tenantId: TenantId, id: DeliveryId) => Effect.Effect<Delivery, NotFound | StoreError>
  }
>()("@devops-mcp/core/ports/WebhookRepository") {}
