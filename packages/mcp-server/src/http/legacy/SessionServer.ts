import type { McpSession } from "@devops-mcp/core/ports/McpSessionRepository"
import {
  type JSONRPCMessage,
  type JSONRPCRequest,
  type MessageExtraInfo,
  type Server,
  type ServerContext,
  type Transport
} from "@modelcontextprotocol/server"
import { Effect } from "effect"
import { Caller } from "../../edge/Caller.ts"

/** Makes the SDK's server; `callerOf` tells its handlers who sent a message. */
export type MakeServer = (callerOf: (context: ServerContext) => Caller) => Server

const callerOf = ({ http }: ServerContext): Caller => {
  const caller = http?.authInfo?.extra?.["caller"]
  if (!(caller instanceof Caller)) throw new Error("An MCP request came without its caller")
  return caller
}

/** What the SDK is told beside a message. It gets no credential, so it cannot pass one on. */
export const extraOf = (caller: Caller): MessageExtraInfo => ({
  authInfo: { token: "", clientId: "", scopes: [], extra: { caller } }
})

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
  /** The answer to one request, while no exchange uses the server. */
  readonly ask: (request: JSONRPCRequest, extra: MessageExtraInfo) => Effect.Effect<JSONRPCMessage>
  /** Cancels what its handlers do. */
  readonly close: Effect.Effect<void>
}

export const connect = (makeServer: MakeServer, onerror: (error: Error) => void): Effect.Effect<SessionServer> =>
  Effect.gen(function* () {
    const transport = new SessionTransport()
    const server = makeServer(callerOf)
    server.onerror = onerror
    yield* Effect.promise(() => server.connect(transport))
    const deliver = (message: JSONRPCMessage, extra?: MessageExtraInfo) => transport.onmessage?.(message, extra)
    return {
      logLevel: undefined,
      receive: (receiver) => {
        transport.receive = receiver
      },
      deliver,
      ask: (request, extra) =>
        Effect.callback<JSONRPCMessage>((resume) => {
          transport.receive = (message) => {
            if (!("id" in message) || "method" in message) return
            transport.receive = undefined
            resume(Effect.succeed(message))
          }
          deliver(request, extra)
        }),
      close: Effect.promise(() => server.close())
    }
  })

/** Brings a server to where the session's client believes it to be. */
export const catchUp = Effect.fnUntraced(function* (
  server: SessionServer,
  session: McpSession,
  extra: MessageExtraInfo
) {
  const { logLevel } = session
  if (logLevel === undefined || server.logLevel === logLevel) return
  yield* server.ask({ jsonrpc: "2.0", id: 0, method: "logging/setLevel", params: { level: logLevel } }, extra)
  server.logLevel = logLevel
})

/** Says the session's `initialize` again to a fresh server. */
export const initialize = Effect.fnUntraced(function* (
  server: SessionServer,
  session: McpSession,
  extra: MessageExtraInfo
) {
  yield* server.ask({ jsonrpc: "2.0", id: 0, method: "initialize", params: session.initialize }, extra)
  server.deliver({ jsonrpc: "2.0", method: "notifications/initialized" }, extra)
})
