import { Caller } from "@devops-mcp/contract/Authorization"
import { TooManyRequests } from "@devops-mcp/contract/Problems"
import { credentialOf } from "@devops-mcp/core/access/Credential"
import { EventFeed } from "@devops-mcp/core/events/EventFeed"
import type { FeedEntry, FeedFilter } from "@devops-mcp/core/ports/EventRepository"
import { Event } from "@devops-mcp/domain/Event"
import { withAnswerHeaders } from "@devops-mcp/infrastructure/Limits"
import { makePlaces, type NoPlace } from "@devops-mcp/infrastructure/Places"
import { eventStream, frame } from "@devops-mcp/infrastructure/Sse"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { eventFeedReconnectDelay } from "@devops-mcp/resilience/Policies"
import { Duration, Effect, Schema, Stream } from "effect"
import { HttpServerRequest } from "effect/http"
import { badRequest, toProblem } from "../Problems.ts"
import { makeStanding } from "./Standing.ts"

/** Streams of one process, and of one caller in it. */
export const mostStreams = 2_000
export const mostStreamsOfOne = 100

const encode = Schema.encodeSync(Schema.fromJsonString(Event))

const frameOf = ({ cursor, event }: FeedEntry) => frame({ event: "event", id: cursor, data: encode(event) })

const full = Effect.fnUntraced(function* ({ message }: NoPlace) {
  yield* withAnswerHeaders({ "retry-after": "5" })
  return yield* new TooManyRequests({
    code: "too-many-requests",
    detail: message,
    requestId: yield* RequestId,
    limit: "concurrency"
  })
})

interface StreamRequest {
  readonly query: FeedFilter & { readonly lastEventId?: string }
  readonly headers: { readonly "last-event-id"?: string }
}

/** `GET /api/v1/events/stream`: the feed of events as server-sent events. */
export const makeEventStream = Effect.gen(function* () {
  const feed = yield* EventFeed
  const standing = yield* makeStanding
  const places = makePlaces({ most: mostStreams, mostOfOne: mostStreamsOfOne })

  return Effect.fnUntraced(function* ({ headers, query: { lastEventId, ...filter } }: StreamRequest) {
    const principal = yield* Caller
    const request = yield* HttpServerRequest.HttpServerRequest
    const credential = yield* Effect.orDie(Effect.fromOption(credentialOf(request.headers)))
    // A browser that comes back sends the header with the address it began with.
    const header = headers["last-event-id"]
    const pointer = header === undefined ? "/query/lastEventId" : "/headers/last-event-id"
    // Held for as long as the request, which is over when its answer has been sent.
    yield* Effect.catch(places.take(principal), full)
    const opened = yield* feed.open(principal.tenantId, filter, header ?? lastEventId).pipe(
      Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", ({ message }) =>
        Effect.flatMap(badRequest([{ pointer, detail: message }], "invalid-cursor"), Effect.fail)
      ),
      Effect.catchTag("@devops-mcp/core/ports/StoreError", toProblem)
    )
    // Without data it is no event, but who loses the connection before the first one knows where to go on.
    const beginning = frame({ id: opened.cursor, retry: Duration.toMillis(eventFeedReconnectDelay) })
    const frames = Stream.make(beginning).pipe(
      Stream.concat(Stream.map(opened.entries, frameOf)),
      Stream.tapError((error) => Effect.logWarning("A stream of events ended", error)),
      Stream.orDie,
      Stream.interruptWhen(standing.over(principal, "events:read", credential))
    )
    return eventStream(frames)
  })
})
