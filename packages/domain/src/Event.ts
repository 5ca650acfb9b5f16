import { Schema } from "effect"
import { Timestamp } from "./Fields.ts"
import { DeliveryId, EventId } from "./Ids.ts"
import { WebhookSource } from "./Webhook.ts"

/** `received`: stored, not yet searchable; `processed`: searchable; `failed`: given up, its job is a dead letter. */
export const EventStatus = Schema.Literals(["received", "processed", "failed"])
export type EventStatus = typeof EventStatus.Type

/** What a delivery says, the same shape for every source and type. */
export const EventFacts = Schema.Struct({
  type: Schema.String,
  action: Schema.optionalKey(Schema.String),
  /** Full name of the repository, `owner/name`. */
  repository: Schema.optionalKey(Schema.String),
  /** Login of who did it, or the name where the sender has no logins. */
  actor: Schema.optionalKey(Schema.String),
  /** One line, at most 200 characters. */
  title: Schema.String,
  /** A few plain sentences in words people search with. */
  summary: Schema.String,
  url: Schema.optionalKey(Schema.String),
  occurredAt: Timestamp
}).annotate({ identifier: "EventFacts" })
export type EventFacts = typeof EventFacts.Type

/** Something that happened in a delivery pipeline. One delivery makes one event. */
export const Event = Schema.Struct({
  id: EventId,
  source: WebhookSource,
  ...EventFacts.fields,
  receivedAt: Timestamp,
  deliveryId: DeliveryId,
  status: EventStatus
}).annotate({ identifier: "Event" })
export type Event = typeof Event.Type
