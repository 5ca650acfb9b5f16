import { sseKeepAlive } from "@devops-mcp/resilience/Policies"
import { Effect, Stream } from "effect"
import { HttpServerResponse } from "effect/http"

/** One server-sent event. `data` has no line breaks: it is JSON. */
export interface Frame {
  readonly event?: string
  readonly id?: string
  /** Without data nothing is dispatched; a client keeps the id all the same. */
  readonly data?: string
  /** Milliseconds after which a client that lost the stream comes back. */
  readonly retry?: number
}

/** The event as it goes over the wire. */
export const frame = ({ data, event, id, retry }: Frame): string =>
  [
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(retry === undefined ? [] : [`retry: ${retry}`]),
    ...(data === undefined ? [] : [`data: ${data}`]),
    "\n"
  ].join("\n")

const keepAlive = Stream.fromEffectSchedule(Effect.succeed(": keepalive\n\n"), sseKeepAlive)

/** Sends the frames as they come, and comments in between, so that nobody on the way takes the silence for an end. */
export const eventStream = (frames: Stream.Stream<string>): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(
    frames.pipe(Stream.merge(Stream.drop(keepAlive, 1), { haltStrategy: "left" }), Stream.encodeText),
    {
      contentType: "text/event-stream",
      headers: { "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" }
    }
  )
