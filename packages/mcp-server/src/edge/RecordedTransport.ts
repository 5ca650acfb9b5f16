import type { Audit } from "@devops-mcp/core/audit/Audit"
import { BeingHandled, type Handled } from "@devops-mcp/core/audit/OnRecord"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type {
  JSONRPCMessage,
  MessageExtraInfo,
  RequestId,
  Transport,
  TransportSendOptions
} from "@modelcontextprotocol/server"
import { Clock, Context, Effect, Exit } from "effect"
import type { Caller } from "./Caller.ts"
import { actionOf } from "./Methods.ts"
import { acknowledged, isId, subscriptionOf } from "./Subscriptions.ts"

/** A request of a client that has no answer yet. */
interface Asked extends Handled {
  readonly method: string
  readonly caller: Caller
  readonly startedAt: number
  /** Whether a handler has it, which then sees to its row. */
  begun: boolean
  /** What has the same id and still runs; the newer one is being refused. */
  readonly before: Asked | undefined
}

export interface RecordedTransportOptions {
  readonly transport: Transport
  readonly audit: Audit["Service"]
  /** Who says a message; nobody when it is one of ours. */
  readonly callerOf: (extra: MessageExtraInfo | undefined) => Caller | undefined
}

const now = ({ context }: Caller) => Context.get(context, Clock.Clock).currentTimeMillisUnsafe()

/** Puts something that a client said on record. Whatever it is, it can be said as often as they like. */
export const messageOnRecord = (
  audit: Audit["Service"],
  { admitted: principal, requestId }: Caller,
  method: string,
  outcome: AuditOutcome = "ok",
  durationMs = 0
) =>
  Effect.flatMap(requestId, (id) =>
    audit.repeated({ principal, action: actionOf(method), outcome, requestId: id, durationMs })
  )

/** What a message without an answer is called: a notification by its method, and an answer of the client. */
export const unansweredName = (message: JSONRPCMessage): string => ("method" in message ? message.method : "response")

/**
 * Sees to it that everything that clients say has its row, whoever answers it: a handler, the SDK or nobody. Rows that
 * say more, which registries write for what they do, take the place of those written here. Messages have been held
 * against their schema before they come here; the SDK's guards would do so once more.
 */
export class RecordedTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage, extra?: MessageExtraInfo) => void
  readonly #options: RecordedTransportOptions
  readonly #asked = new Map<RequestId, Asked>()

  constructor(options: RecordedTransportOptions) {
    this.#options = options
  }

  start() {
    const { transport } = this.#options
    transport.onmessage = (message, extra) => this.#receive(message, extra)
    transport.onerror = (error) => this.onerror?.(error)
    transport.onclose = () => {
      for (const id of this.#asked.keys()) this.#settle(id, "failed")
      this.onclose?.()
    }
    return transport.start()
  }

  close() {
    return this.#options.transport.close()
  }

  send(message: JSONRPCMessage, options?: TransportSendOptions) {
    if ("result" in message) this.#settle(message.id, "ok")
    else if ("error" in message) this.#settle(message.id, "failed")
    // The answer to `subscriptions/listen` comes when the subscription ends.
    else if (message.method === acknowledged) this.#settle(subscriptionOf(message), "ok")
    return this.#options.transport.send(message, options)
  }

  /**
   * Handles a request, and puts it on record if nothing has by then. Its handler comes too late when it was cancelled
   * or refused meanwhile, and does nothing.
   */
  handle<A, E>(id: RequestId, handler: (requestId: string) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    const asked = this.#asked.get(id)
    if (asked === undefined) return Effect.interrupt
    asked.begun = true
    return Effect.flatMap(asked.caller.requestId, (requestId) =>
      handler(requestId).pipe(
        Effect.onExit((exit) => this.#record(asked, Exit.isSuccess(exit) ? "ok" : "failed", requestId)),
        Effect.provideService(BeingHandled, asked)
      )
    )
  }

  #receive(message: JSONRPCMessage, extra: MessageExtraInfo | undefined) {
    const caller = this.#options.callerOf(extra)
    if (caller !== undefined) {
      if ("method" in message && "id" in message) this.#ask(message.id, message.method, caller)
      else Effect.runForkWith(caller.context)(messageOnRecord(this.#options.audit, caller, unansweredName(message)))
    }
    if ("method" in message && message.method === "notifications/cancelled") {
      const id = message.params?.["requestId"]
      // A subscription was answered, and no handler is told that its request is cancelled before it has it.
      if (isId(id)) this.#settle(id, "failed")
    }
    this.onmessage?.(message, extra)
  }

  #ask(id: RequestId, method: string, caller: Caller) {
    this.#asked.set(id, {
      method,
      caller,
      startedAt: now(caller),
      begun: false,
      onRecord: false,
      partOf: Context.get(caller.context, BeingHandled),
      before: this.#asked.get(id)
    })
  }

  #settle(id: RequestId | undefined, outcome: AuditOutcome) {
    const asked = id === undefined ? undefined : this.#asked.get(id)
    if (id === undefined || asked === undefined) return
    if (asked.before === undefined) this.#asked.delete(id)
    else this.#asked.set(id, asked.before)
    if (asked.begun) return
    Effect.runForkWith(asked.caller.context)(
      Effect.provideService(
        Effect.flatMap(asked.caller.requestId, (requestId) => this.#record(asked, outcome, requestId)),
        BeingHandled,
        asked
      )
    )
  }

  #record({ caller, method, onRecord, startedAt }: Asked, outcome: AuditOutcome, requestId: string) {
    if (onRecord) return Effect.void
    const durationMs = now(caller) - startedAt
    return this.#options.audit.repeated({
      principal: caller.admitted,
      action: actionOf(method),
      outcome,
      requestId,
      durationMs
    })
  }
}
