import {
  INVALID_REQUEST,
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
  type Transport
} from "@modelcontextprotocol/server"

/** Requests that one connection may have running; one more is refused. */
export const maxRequestsInFlight = 64

/** What the server decides, in JSON-RPC's range for that. */
const serverRefuses = -32000

/** Takes one transport's messages for the SDK, so many requests at once and no request twice; the rest it refuses. */
export class BoundedTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  readonly #inner: Transport
  readonly #running = new Set<RequestId>()
  #whenIdle: (() => void) | undefined

  constructor(inner: Transport) {
    this.#inner = inner
  }

  start() {
    this.#inner.onmessage = (message) => this.#receive(message)
    this.#inner.onerror = (error) => this.onerror?.(error)
    this.#inner.onclose = () => this.onclose?.()
    return this.#inner.start()
  }

  async send(message: JSONRPCMessage) {
    await this.#inner.send(message)
    // An error without an id answers no request in particular.
    if ((isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) && message.id !== undefined) {
      this.#settled(message.id)
    }
  }

  close() {
    return this.#inner.close()
  }

  /** From now on requests are refused; calls back, at once or later, when none is running. */
  drain(whenIdle: () => void) {
    this.#whenIdle = whenIdle
    if (this.#running.size === 0) whenIdle()
  }

  #settled(id: RequestId) {
    this.#running.delete(id)
    if (this.#running.size === 0) this.#whenIdle?.()
  }

  #refusalOf(id: RequestId) {
    if (this.#running.has(id)) return { code: INVALID_REQUEST, message: "A request with this id is still running" }
    if (this.#whenIdle !== undefined) return { code: serverRefuses, message: "The server is stopping" }
    return this.#running.size >= maxRequestsInFlight
      ? { code: serverRefuses, message: `Too many requests in flight: ${maxRequestsInFlight} at most` }
      : undefined
  }

  #receive(message: JSONRPCMessage) {
    // A subscription runs as long as its connection, and has a bound of its own.
    if (isJSONRPCRequest(message) && message.method !== "subscriptions/listen") {
      const error = this.#refusalOf(message.id)
      if (error !== undefined) {
        this.#inner.send({ jsonrpc: "2.0", id: message.id, error }).catch((cause) => this.onerror?.(cause))
        return
      }
      this.#running.add(message.id)
    }
    this.onmessage?.(message)
    // A cancelled request gets no answer.
    if (isJSONRPCNotification(message) && message.method === "notifications/cancelled") {
      const id = message.params?.["requestId"]
      if (typeof id === "string" || typeof id === "number") this.#settled(id)
    }
  }
}
