import type { McpEvent } from "@devops-mcp/core/ports/McpSessionRepository"
import { mcpReconnectDelay, mcpStreamAfter } from "@devops-mcp/resilience/Policies"
import type { JSONRPCMessage, JSONRPCRequest } from "@modelcontextprotocol/server"
import { Duration, Effect, Queue, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { encodeJson } from "../../edge/Json.ts"
import { eventStream, frame } from "@devops-mcp/infrastructure/Sse"
import { type EventLog, eventFrame } from "./EventLog.ts"
import type { Exchange, Outgoing } from "./Exchange.ts"
import type { Refusal } from "../Refusal.ts"
import { stopping } from "./Refusals.ts"
import { canBePrimed } from "./LegacyRequest.ts"
import type { Outlet } from "./Outlet.ts"
import { eventId } from "./WireIds.ts"

/** What clients that were promised an answer hear when the server stops before there is one. */
const stopped = { code: -32000, message: "The server stopped before it could answer. Send the request again." }

export interface AnsweringOptions {
  readonly exchange: Exchange
  readonly isBatch: boolean
  readonly revision: string
  readonly streamId: string
  /** Absent without a session: then nothing is stored and nothing can be resumed. */
  readonly log: ReturnType<EventLog["open"]> | undefined
  /** Runs before its answer goes out. */
  readonly onAnswer: (request: JSONRPCRequest, answer: JSONRPCMessage) => Effect.Effect<void>
  readonly respond: (response: Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal>) => Effect.Effect<void>
  /** Responds with a stream. */
  readonly openStream: Effect.Effect<Outlet>
}

const json = (value: unknown) => HttpServerResponse.text(encodeJson(value), { contentType: "application/json" })

/** The first event of a stream: an id to come back with, and when. */
export const priming = (id: string) => frame({ id, retry: Duration.toMillis(mcpReconnectDelay), data: "" })

/** Begins streams that are not primed: servers send their headers with the first bytes. */
export const opening = ": open\n\n"

/** Writes what a handler brings forth: to the store first, then to the client that is connected. */
const makeWriter = ({ exchange, log, onAnswer, revision, streamId }: AnsweringOptions, outlet: Outlet) => {
  const begin: McpEvent = { streamId, seq: 0, last: false }
  let unstored = [begin]
  let next = 1
  let over = false
  let texts: Array<string | undefined> = [
    log !== undefined && canBePrimed(revision) ? priming(eventId({ streamId, seq: 0, listening: false })) : opening
  ]

  const write = (text: string) => {
    if (!outlet.write(text) && log === undefined) exchange.cancelAll()
  }

  const put = Effect.fnUntraced(function* (items: ReadonlyArray<Outgoing>, last: boolean) {
    for (const item of items) {
      if (item._tag === "Answer") yield* onAnswer(item.request, item.message)
      if (item._tag === "Close") {
        texts.push(undefined)
        continue
      }
      const event: McpEvent = { streamId, seq: next++, message: encodeJson(item.message), last: false }
      unstored.push(event)
      texts.push(log === undefined ? frame({ event: "message", data: event.message ?? "" }) : eventFrame(event))
    }
    if (last) {
      over = true
      unstored.push({ streamId, seq: next++, last: true })
    }
    const events = unstored
    unstored = []
    if (log !== undefined && events.length > 0) yield* log.append(events)
    const written = texts
    texts = []
    for (const text of written) {
      if (text === undefined) outlet.end()
      else write(text)
    }
    if (last) outlet.end()
  }, Effect.uninterruptible)

  return { put, isOver: () => over }
}

/**
 * Answers one POST: with JSON when answers are all there is and come soon, else with a stream. Runs apart from the HTTP
 * request, whose client may go and come back. When it is interrupted, clients still hear that no answer will come.
 */
export const answer = (options: AnsweringOptions): Effect.Effect<void> => {
  const { exchange, isBatch, log, onAnswer, openStream, respond } = options
  const { outgoing } = exchange
  const isDrained = () => exchange.isOver() && Queue.sizeUnsafe(outgoing) === 0
  let writer: ReturnType<typeof makeWriter> | undefined

  const collect = Effect.fnUntraced(function* (first: Array<Outgoing>) {
    while (!isDrained()) {
      const item = yield* Queue.take(outgoing)
      first.push(item)
      if (item._tag !== "Answer") return
    }
  })

  const run = Effect.gen(function* () {
    const first: Array<Outgoing> = []
    yield* Effect.sync(exchange.start)
    yield* Effect.timeoutOption(Effect.ignore(collect(first)), mcpStreamAfter)
    const answers = first.flatMap((item) => (item._tag === "Answer" ? [item] : []))
    if (isDrained() && answers.length === first.length) {
      for (const { message, request } of answers) yield* onAnswer(request, message)
      const [single] = answers
      // Requests that were all cancelled get no answer, and an empty stream says so.
      if (single === undefined) return yield* respond(Effect.sync(() => eventStream(Stream.empty)))
      const messages = answers.map(({ message }) => message)
      return yield* respond(Effect.sync(() => json(isBatch ? messages : single.message)))
    }
    const writing = makeWriter(options, yield* openStream)
    writer = writing
    if (log !== undefined) yield* Effect.forkChild(log.heartbeat)
    yield* writing.put(first, isDrained())
    while (!writing.isOver()) {
      const items = yield* Effect.orElseSucceed(Queue.takeAll(outgoing), () => [])
      yield* writing.put(items, isDrained())
    }
  })

  const abandon = Effect.gen(function* () {
    const ids = exchange.openIds()
    exchange.cancelAll()
    if (writer === undefined) return yield* respond(Effect.fail(stopping()))
    if (writer.isOver()) return
    yield* writer.put(
      ids.map((id) => ({ _tag: "Message", message: { jsonrpc: "2.0", id, error: stopped } })),
      true
    )
  })

  return Effect.onInterrupt(run, () => abandon)
}
