import {
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId
} from "@modelcontextprotocol/server"
import { type Cause, Effect, Queue } from "effect"
import { type Caller, extraOf } from "../../edge/Caller.ts"
import { canBePrimed } from "./LegacyRequest.ts"
import type { SessionServer } from "./SessionServer.ts"
import { type Origin, outward } from "./WireIds.ts"

/** Notifications that wait for the database; one more is dropped, while answers and requests always come through. */
const longestBacklog = 1_000

/** What a handler brings forth. `Close` ends the HTTP response and leaves the stream to be resumed. */
export type Outgoing =
  | { readonly _tag: "Message"; readonly message: JSONRPCMessage }
  | { readonly _tag: "Answer"; readonly message: JSONRPCMessage; readonly request: JSONRPCRequest }
  | { readonly _tag: "Close" }

/** The requests of one POST while a server works on them. All that the server says meanwhile is said here. */
export interface Exchange {
  /** Ends when all requests are answered or cancelled. */
  readonly outgoing: Queue.Dequeue<Outgoing, Cause.Done>
  readonly isOver: () => boolean
  /** Of requests that have no answer yet. */
  readonly openIds: () => ReadonlyArray<RequestId>
  /** Whether the server may be used for another exchange: nothing of this one runs on. */
  readonly isClean: () => boolean
  readonly start: () => void
  /** Hands over what the client says about a request of the server. */
  readonly deliver: (message: JSONRPCMessage) => void
  /** No answer to this request will come; false when it is none of this exchange's. */
  readonly cancel: (requestId: RequestId, reason?: string) => boolean
  /** No answers will come at all. */
  readonly cancelAll: () => void
}

export interface ExchangeOptions {
  readonly server: SessionServer
  readonly origin: Origin
  readonly caller: Caller
  readonly revision: string
  readonly requests: ReadonlyArray<JSONRPCRequest>
  /** Whether there is a session in which a stream can be resumed. */
  readonly resumable: boolean
}

export const makeExchange = ({ caller, origin, requests, resumable, revision, server }: ExchangeOptions) =>
  Effect.map(Queue.unbounded<Outgoing, Cause.Done>(), (outgoing): Exchange => {
    const open = new Map(requests.map((request) => [request.id, request]))
    let clean = true

    const settle = (id: RequestId) => {
      open.delete(id)
      if (open.size > 0) return
      server.receive(undefined)
      Queue.endUnsafe(outgoing)
    }

    const receive = (message: JSONRPCMessage) => {
      if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) {
        const request = message.id === undefined ? undefined : open.get(message.id)
        if (request === undefined) return
        Queue.offerUnsafe(outgoing, { _tag: "Answer", message, request })
        return settle(request.id)
      }
      if (!isJSONRPCRequest(message) && Queue.sizeUnsafe(outgoing) >= longestBacklog) return
      Queue.offerUnsafe(outgoing, { _tag: "Message", message: outward(message, origin) })
    }

    const cancel = (requestId: RequestId, reason?: string) => {
      if (!open.has(requestId)) return false
      clean = false
      server.deliver({
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId, ...(reason === undefined ? {} : { reason }) }
      })
      settle(requestId)
      return true
    }

    return {
      outgoing,
      isOver: () => open.size === 0,
      openIds: () => [...open.keys()],
      isClean: () => clean,
      start: () => {
        server.receive(receive)
        const closeSSEStream =
          resumable && canBePrimed(revision)
            ? { closeSSEStream: () => void Queue.offerUnsafe(outgoing, { _tag: "Close" }) }
            : {}
        for (const request of requests) server.deliver(request, { ...extraOf(caller), ...closeSSEStream })
      },
      deliver: (message) => server.deliver(message),
      cancel,
      cancelAll: () => {
        for (const id of open.keys()) cancel(id)
      }
    }
  })
