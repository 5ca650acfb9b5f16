import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage
} from "@modelcontextprotocol/server"
import { Predicate } from "effect"

/** Where the server stands that asked the client something: its replica and the exchange there. */
export interface Origin {
  readonly replica: string
  readonly exchange: number
}

const pattern = /^([0-9a-f-]{36})\.(\d{1,15})\.(\d{1,15})$/

const wireId = ({ exchange, replica }: Origin, id: unknown) => `${replica}.${exchange}.${String(id)}`

const parse = (id: unknown) => {
  const [, replica, exchange, number] = (Predicate.isString(id) ? pattern.exec(id) : undefined) ?? []
  return replica === undefined ? undefined : { replica, exchange: Number(exchange), id: Number(number) }
}

/** Every server numbers its requests from 0; on their way they carry ids that lead any replica to the one who asks. */
export const outward = (message: JSONRPCMessage, origin: Origin): JSONRPCMessage => {
  if (isJSONRPCRequest(message)) {
    const token = message.params?._meta?.progressToken
    return {
      ...message,
      id: wireId(origin, message.id),
      ...(token === undefined
        ? {}
        : { params: { ...message.params, _meta: { ...message.params?._meta, progressToken: wireId(origin, token) } } })
    }
  }
  if (isJSONRPCNotification(message) && message.method === "notifications/cancelled") {
    return { ...message, params: { ...message.params, requestId: wireId(origin, message.params?.["requestId"]) } }
  }
  return message
}

/** What a client says about a server's request, an answer or its progress, with the number that the server knows. */
export const inward = (message: JSONRPCMessage): (Origin & { readonly message: JSONRPCMessage }) | undefined => {
  if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) {
    const target = parse(message.id)
    return target && { ...target, message: { ...message, id: target.id } }
  }
  if (isJSONRPCNotification(message) && message.method === "notifications/progress") {
    const target = parse(message.params?.["progressToken"])
    return target && { ...target, message: { ...message, params: { ...message.params, progressToken: target.id } } }
  }
  return undefined
}

const eventPattern = /^(get-)?([0-9a-f-]{36})\.(\d{1,9})$/

/** Names an event within its session. `listening` marks the stream of news, which is not stored. */
export interface EventId {
  readonly streamId: string
  readonly seq: number
  readonly listening: boolean
}

export const eventId = ({ listening, seq, streamId }: EventId) => `${listening ? "get-" : ""}${streamId}.${seq}`

export const parseEventId = (text: string): EventId | undefined => {
  const [, listening, streamId, seq] = eventPattern.exec(text) ?? []
  return streamId === undefined ? undefined : { streamId, seq: Number(seq), listening: listening !== undefined }
}
