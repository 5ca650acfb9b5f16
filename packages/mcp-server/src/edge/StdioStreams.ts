import { StdioServerTransport } from "@modelcontextprotocol/server/stdio"
import { Deferred, Effect } from "effect"
import type { Readable, Writable } from "node:stream"

/** The client's end of the conversation; this process's own standard streams when absent. */
export interface StdioStreams {
  readonly stdin: Readable
  readonly stdout: Writable
}

/** One message at most; a client that sends more is disconnected. The same as a body's over HTTP. */
export const maxMessageBytes = 4 * 1024 * 1024

/** JSON-RPC a line, closed with the scope. */
export const makeStdioTransport = (streams?: StdioStreams) =>
  Effect.acquireRelease(
    Effect.sync(() => new StdioServerTransport(streams?.stdin, streams?.stdout, { maxBufferSize: maxMessageBytes })),
    (transport) => Effect.promise(() => transport.close())
  )

/** A signal that the client has closed its end. Make it after whoever serves the transport has set its `onclose`. */
export const closedSignal = (transport: StdioServerTransport): Deferred.Deferred<void> => {
  const closed = Deferred.makeUnsafe<void>()
  const served = transport.onclose
  transport.onclose = () => {
    served?.()
    Deferred.doneUnsafe(closed, Effect.void)
  }
  return closed
}
