import { Effect } from "effect"
import type { AddressInfo, Server } from "node:net"

/**
 * Marks a server as one that stands for somebody else's, such as an authorization server that answers with tokens. What
 * others answer is theirs; of all other servers the watch of the run hears whatever they say.
 */
export const asPeer = <S extends Server>(server: S): S => {
  globalThis.runWatch?.peers.add(server)
  return server
}

/** Has the server listen on a free port of loopback until the scope closes, and answers the port. */
export const listening = (server: Server & { readonly closeAllConnections?: () => void }) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      // A server that listens on TCP has an address and a port.
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections?.()
      })
  )
