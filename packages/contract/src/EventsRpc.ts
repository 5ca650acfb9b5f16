import { Event } from "@devops-mcp/domain/Event"
import { Schema } from "effect"
import { Rpc } from "effect/rpc"
import { FeedCursor, feedFilter } from "./KnowledgeApi.ts"
import { BadRequest, InternalError, Unavailable } from "./Problems.ts"
import { guardedRpcs, rpcRequires } from "./RpcAuthorization.ts"

/** Where the procedures are: a WebSocket, a JSON message of `effect/rpc` in each text frame. */
export const rpcPath = "/api/v1/rpc"

/** An event as it was after a change; `cursor` is where to go on. */
export const FeedItem = Schema.Struct({ cursor: FeedCursor, event: Event }).annotate({ identifier: "FeedItem" })
export type FeedItem = typeof FeedItem.Type

const FeedProblem = Schema.Union([BadRequest, InternalError, Unavailable])

/** The tenant's events for programs on `effect/rpc`. */
export class EventsRpc extends guardedRpcs(
  /** Where the feed ends now: who reads on from here misses nothing that comes. */
  Rpc.make("EventsCursor", { success: Schema.Struct({ cursor: FeedCursor }), error: FeedProblem }).pipe(
    rpcRequires("events:read")
  ),
  /**
   * Events once they are stored and again whenever their status has changed, after a cursor or from now on. Ends when
   * the server stops; what it failed with, or the connection's end, tells whether to come back.
   */
  Rpc.make("EventsFeed", {
    payload: { after: Schema.optionalKey(FeedCursor), ...feedFilter },
    success: FeedItem,
    error: FeedProblem,
    stream: true
  }).pipe(rpcRequires("events:read"))
) {}
