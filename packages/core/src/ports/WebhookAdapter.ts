import type { InvalidInput, Unauthenticated } from "@devops-mcp/domain/Errors"
import type { EventFacts } from "@devops-mcp/domain/Event"
import type { Delivery, WebhookSource } from "@devops-mcp/domain/Webhook"
import { Context, type Effect, type Redacted, type Schema } from "effect"

/** Header names in lower case. */
export type WebhookHeaders = Readonly<Record<string, string | undefined>>

/** Knows one sender of webhooks: how it signs, how it names its deliveries, what its payloads mean. */
export interface WebhookAdapter {
  readonly source: WebhookSource
  /** Succeeds only for a body signed with the secret; compares in constant time. `body` is exactly what was received. */
  readonly verify: (options: {
    readonly secret: Redacted.Redacted
    readonly headers: WebhookHeaders
    readonly body: string
  }) => Effect.Effect<void, Unauthenticated>
  /** The sender's delivery id and event name. */
  readonly identify: (
    headers: WebhookHeaders,
    payload: Schema.Json
  ) => Effect.Effect<{ readonly externalId: string; readonly eventType: string }, InvalidInput>
  /** Pure and total: an unknown type, or a payload of another shape than documented, gives generic facts. */
  readonly normalise: (delivery: Pick<Delivery, "eventType" | "payload" | "receivedAt">) => EventFacts
}

/** All webhook senders of this deployment, by source. */
export class WebhookAdapters extends Context.Service<WebhookAdapters, ReadonlyMap<WebhookSource, WebhookAdapter>>()(
  "@devops-mcp/core/ports/WebhookAdapter/WebhookAdapters"
) {}
