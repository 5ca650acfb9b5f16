import { Caller } from "@devops-mcp/contract/Authorization"
import { EventsRpc } from "@devops-mcp/contract/EventsRpc"
import { EventFeed } from "@devops-mcp/core/events/EventFeed"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { Effect, Option, Stream } from "effect"
import { makeStanding } from "../events/Standing.ts"
import { BadRequest } from "@devops-mcp/contract/Problems"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { RpcConnections } from "./RpcConnections.ts"
import { broken } from "./RpcProblems.ts"

const badCursor = (detail: string) =>
  Effect.flatMap(RequestId, (requestId) =>
    Effect.fail(
      new BadRequest({
        code: "invalid-cursor",
        detail: `/body/after: ${detail}`,
        requestId,
        errors: [{ pointer: "/body/after", detail }]
      })
    )
  )

/** A tenant's events, as they happen. */
export const EventsRpcHandlers = EventsRpc.toLayer(
  Effect.gen(function* () {
    const events = yield* EventRepository
    const feed = yield* EventFeed
    const standing = yield* makeStanding
    const connections = yield* RpcConnections

    return EventsRpc.of({
      EventsCursor: Effect.fnUntraced(function* () {
        const { tenantId } = yield* Caller
        const cursor = yield* Effect.catchTag(events.feedEnd(tenantId), "@devops-mcp/core/ports/StoreError", broken)
        return { cursor }
      }),

      EventsFeed: ({ after, ...filter }, { client }) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const principal = yield* Caller
            const { entries } = yield* feed.open(principal.tenantId, filter, after).pipe(
              Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", ({ message }) => badCursor(message)),
              Effect.catchTag("@devops-mcp/core/ports/StoreError", broken)
            )
            const connection = connections.caller(client.id)
            if (Option.isNone(connection)) return Stream.empty
            return entries.pipe(
              Stream.catchTag("@devops-mcp/core/ports/StoreError", (error) => Stream.fromEffect(broken(error))),
              Stream.interruptWhen(standing.over(principal, "events:read", connection.value.credential))
            )
          })
        )
    })
  })
)
