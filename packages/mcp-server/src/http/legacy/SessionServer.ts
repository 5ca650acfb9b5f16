import type { Audit } from "@devops-mcp/core/audit/Audit"
import type { McpSession } from "@devops-mcp/core/ports/McpSessionRepository"
import {
  type JSONRPCMessage,
  type JSONRPCRequest,
  type MessageExtraInfo,
  type Server,
  type Transport
} from "@modelcontextprotocol/server"
import { Effect } from "effect"
import { callerIn } from "../../edge/Caller.ts"
import { RecordedTransport } from "../../edge/RecordedTransport.ts"

/** Makes the SDK's server, which will be connected to that transport. */
export type MakeServer = (recorded: RecordedTransport) => Server

/** The SDK's transport: hands what the server says to whoever uses the server at the time. */
class SessionTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage, extra?: MessageExtraInfo) => void
  receive: ((message: JSONRPCMessage) => void) | undefined

  start(): Promise<void> {
    return Promise.resolve()
  }

  send(message: JSONRPCMessage): Promise<void> {
    this.receive?.(message)
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.receive = undefined
    this.onclose?.()
    return Promise.resolve()
  }
}

/** One SDK server, used by one exchange at a time, so that all it says belongs to that exchange. */
export interface SessionServer {
  /** The level that its client set, as far as this server has heard. */
  logLevel: string | undefined
  /** From now on the server's messages go there; `undefined` drops them. */
  readonly receive: (receiver: ((message: JSONRPCMessage) => void) | undefined) => void
  readonly deliver: (message: JSONRPCMessage, extra?: MessageExtraInfo) => void
  /** The answer to one request of ours, while no exchange uses the server. */
  readonly ask: (request: JSONRPCRequest) => Effect.Effect<JSONRPCMessage>
  /** Cancels what its handlers do. */
  readonly close: Effect.Effect<void>
}

export const connect = (
  makeServer: MakeServer,
  audit: Audit["Service"],
  onerror: (error: Error) => void
): Effect.Effect<SessionServer> =>
  Effect.gen(function* () {
    const transport = new SessionTransport()
    const recorded = new RecordedTransport({ transport, audit, callerOf: callerIn })
    const server = makeServer(recorded)
    server.onerror = onerror
    yield* Effect.promise(() => server.connect(recorded))
    const deliver = (message: JSONRPCMessage, extra?: MessageExtraInfo) => transport.onmessage?.(message, extra)
    return {
      logLevel: undefined,
      receive: (receiver) => {
        transport.receive = receiver
      },
      deliver,
      ask: (request) =>
        Effect.callback<JSONRPCMessage>((resume) => {
          transport.receive = (message) => {
            if (!("id" in message) || "method" in message) return
            transport.receive = undefined
            resume(Effect.succeed(message))
          }
          deliver(request)
        }),
      close: Effect.promise(() => server.close())
    }
  })

/** Brings a server to where the session's client believes it to be. */
export const catchUp = Effect.fnUntraced(function* (server: SessionServer, session: McpSession) {
  const { logLevel } = session
  if (logLevel === undefined || server.logLevel === logLevel) return
  yield* server.ask({ jsonrpc: "2.0", id: 0, method: "logging/setLevel", params: { level: logLevel } })
  server.logLevel = logLevel
})

/** Says the session's `initialize` again to a fresh server. */
export const initialize = Effect.fnUntraced(function* (server: SessionServer, session: McpSession) {
  yield* server.ask({ jsonrpc: "2.0", id: 0, method: "initialize", params: session.initialize })
  server.deliver({ jsonrpc: "2.0", method: "notifications/initialized" })
})
