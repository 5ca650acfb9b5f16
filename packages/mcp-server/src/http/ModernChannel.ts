import {
  type JSONRPCMessage,
  type JSONRPCNotification,
  type JSONRPCRequest,
  type MessageClassification,
  type MessageExtraInfo,
  type RequestId,
  type Transport,
  type TransportSendOptions
} from "@modelcontextprotocol/server"
import { type Caller, extraOf } from "../edge/Caller.ts"

/** Who waits for what a request brings. */
export interface Exchange {
  /** `early` when the SDK refused the request before any handler saw it. */
  readonly answer: (message: JSONRPCMessage, early: boolean) => void
  readonly notify: (message: JSONRPCMessage) => void
}

interface Running {
  readonly id: RequestId
  readonly exchange: Exchange
}

/**
 * The SDK's transport for requests that stand alone: one connected server answers all of them, whoever sends them, so
 * that a request costs no server of its own. Each travels under an id that is ours, because clients number theirs alike.
 */
export class ModernChannel implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage, extra?: MessageExtraInfo) => void
  readonly #running = new Map<number, Running>()
  #next = 0
  #dispatching = false

  start(): Promise<void> {
    return Promise.resolve()
  }

  /** Hands a request over; the function that it gives cancels it, and then nothing of it is heard any more. */
  deliver(
    request: JSONRPCRequest,
    classification: MessageClassification,
    caller: Caller,
    exchange: Exchange
  ): () => void {
    const id = ++this.#next
    this.#running.set(id, { id: request.id, exchange })
    this.#dispatching = true
    try {
      this.onmessage?.({ ...request, id }, { classification, ...extraOf(caller) })
    } finally {
      this.#dispatching = false
    }
    return () => {
      if (!this.#running.delete(id)) return
      const params = { requestId: id, reason: "The client went away" }
      this.tell({ jsonrpc: "2.0", method: "notifications/cancelled", params }, classification)
    }
  }

  /** Whose notification it is; nobody's when it is one of ours. */
  tell(notification: JSONRPCNotification, classification: MessageClassification, caller?: Caller): void {
    this.onmessage?.(notification, { classification, ...(caller === undefined ? {} : extraOf(caller)) })
  }

  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    // The SDK's own guards would hold the whole message against a schema once more.
    const isAnswer = "result" in message || "error" in message
    const id = Number(isAnswer ? message.id : options?.relatedRequestId)
    const running = this.#running.get(id)
    // Otherwise its client is gone, or it is news for nobody in particular: those go through `Listen`.
    if (running === undefined) return Promise.resolve()
    if (isAnswer) {
      this.#running.delete(id)
      running.exchange.answer({ ...message, id: running.id }, this.#dispatching)
    } else {
      running.exchange.notify(message)
    }
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#running.clear()
    this.onclose?.()
    return Promise.resolve()
  }
}
