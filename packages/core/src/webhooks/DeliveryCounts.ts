import type { InvalidInput, NotFound, StaleSignature, Unauthenticated } from "@devops-mcp/domain/Errors"
import type { WebhookSource } from "@devops-mcp/domain/Webhook"
import { webhookDeliveries } from "@devops-mcp/observability/Metrics"
import { Effect, Metric } from "effect"
import type { ObjectStoreError } from "../ports/ObjectStore.ts"
import type { StoreError } from "../ports/StoreError.ts"

type Refused = NotFound | Unauthenticated | StaleSignature | InvalidInput | StoreError | ObjectStoreError

/** The labels are few and ours: outcomes are the codes of the answers, sources those we know. */
const outcomeOf = (error: Refused) => {
  switch (error._tag) {
    case "@devops-mcp/domain/Errors/NotFound":
      return "not-found"
    case "@devops-mcp/domain/Errors/Unauthenticated":
      return "unauthorized"
    case "@devops-mcp/domain/Errors/StaleSignature":
      return "stale-signature"
    case "@devops-mcp/domain/Errors/InvalidInput":
      return "invalid-delivery"
    default:
      return error.retryable ? "unavailable" : "internal-error"
  }
}

/** Counts one delivery. Of an address that is no webhook's the source is unknown. */
export const countDelivery = (source: WebhookSource | "unknown", outcome: string) =>
  Metric.update(Metric.withAttributes(webhookDeliveries, { source, outcome }), 1)

/** Counts a delivery that is turned away; its source is asked for then. */
export const countingRefusals =
  (source: () => WebhookSource | "unknown") =>
  <A, E extends Refused, R>(receiving: Effect.Effect<A, E, R>) =>
    receiving.pipe(
      Effect.tapError((error) => countDelivery(source(), outcomeOf(error))),
      Effect.tapDefect(() => countDelivery(source(), "failed"))
    )
