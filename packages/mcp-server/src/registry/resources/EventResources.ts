import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { Event } from "@devops-mcp/domain/Event"
import { EventId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect, Option, Schema } from "effect"
import { encodeJson } from "../../edge/Json.ts"
import type { ResourceEntry, ResourceSource } from "../Resources.ts"
import { completionPage, matchingIds, orNone, urisOf } from "./Uris.ts"

const uris = urisOf("event", EventId)
const mimeType = "application/json"
const encodeEvent = Schema.encodeEffect(Event)

export const eventUri = uris.of

/** An event as the JSON that its resource is. */
export const eventText = (event: Event) => Effect.map(Effect.orDie(encodeEvent(event)), encodeJson)

export const eventEntry = (event: Event): ResourceEntry => {
  const { action, actor, id, occurredAt, repository, title, type } = event
  const what = action === undefined ? type : `${type} ${action}`
  return {
    uri: eventUri(id),
    name: title,
    description: [what, repository, actor, DateTime.formatIso(occurredAt)]
      .filter((part) => part !== undefined)
      .join(" · "),
    mimeType
  }
}

/** Events, newest first. */
export const makeEventResources = Effect.map(EventRepository, (events) => {
  const source: ResourceSource = {
    name: "events",
    scope: "events:read",
    template: {
      uriTemplate: uris.template,
      name: "event",
      title: "Event",
      description: "Something that happened in the delivery pipeline: a push, a pull request, a deployment, an alert.",
      mimeType
    },
    list: ({ tenantId }, page) =>
      Effect.map(events.list(tenantId, page), ({ items, nextCursor }) => ({
        items: items.map(eventEntry),
        nextCursor
      })),
    read: ({ tenantId }, uri) =>
      Option.map(uris.parse(uri), (id) =>
        orNone(
          Effect.map(Effect.flatMap(events.get(tenantId, id), eventText), (text) => [
            { uri: uris.of(id), mimeType, text }
          ])
        )
      ),
    complete: ({ tenantId }, _, typed) =>
      events.list(tenantId, completionPage).pipe(
        Effect.map((page) => matchingIds(page, ({ title }) => title, typed)),
        Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", Effect.die)
      )
  }
  return source
})
