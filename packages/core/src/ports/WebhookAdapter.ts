import type { InvalidInput, StaleSignature, Unauthenticated } from "@devops-mcp/domain/Errors"
import type { EventFacts } from "@devops-mcp/domain/Event"
import type { Delivery, WebhookSource } from "@devops-mcp/domain/Webhook"
import { Context, type Effect, type Redacted, type Schema } from "effect"

/** Header names in lower case. */
export type WebhookHeaders = Readonly<Record<string, string | undefined>>

export interface DeliveryIdentity {
  /** The same when the sender repeats the delivery: its own id, or where it has none the body's SHA-256. */
  readonly externalId: string
  readonly eventType: string
  /**
   * What the sender's events belong to, a repository, a project, an incident: events of one group are in order. At most
   * 128 printable characters of ASCII without spaces.
   */
  readonly group?: string
}

/** Knows one sender of webhooks: how it signs, how it names its deliveries, what its payloads mean. */
export interface WebhookAdapter {
  readonly source: WebhookSource
  /**
   * Succeeds only for a body signed with the secret (GitLab's may come with the secret itself); compares in constant
   * time. `body` is exactly what was received. Where the sender signs the time too, it must be now.
   */
  readonly verify: (options: {
    readonly secret: Redacted.Redacted
    readonly headers: WebhookHeaders
    readonly body: string
  }) => Effect.Effect<void, Unauthenticated | StaleSignature>
  /** The sender's delivery id and event name, and what the event belongs to. */
  readonly identify: (
    headers: WebhookHeaders,
    payload: Schema.Json,
    body: string
  ) => Effect.Effect<DeliveryIdentity, InvalidInput>
  /** What the sender wants to read back to know that the address is ours, when that is what it asks. */
  readonly challenge?: (payload: Schema.Json) => string | undefined
  /** Pure and total: an unknown type, or a payload of another shape than documented, gives generic facts. */
  readonly normalise: (delivery: Pick<Delivery, "eventType" | "payload" | "receivedAt">) => EventFacts
}

/** All webhook senders of this deployment, by source. */
export class WebhookAdapters extends Context.Service<WebhookAdapters, ReadonlyMap<WebhookSource, WebhookAdapter>>()(
  "@devops-mcp/core/ports/WebhookAdapter/WebhookAdapters"
) {}
