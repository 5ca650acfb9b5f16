import { Context, Effect, type Scope } from "effect"
import type { IncomingMessage, Server } from "node:http"
import type { Duplex } from "node:stream"

/** A request to speak another protocol, and its connection; whoever takes it owns the connection. */
export interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  /** What the client sent after its request. */
  readonly head: Buffer
}

/**
 * Addresses whose upgrade requests bypass the routes, because their protocol needs the connection itself. Requests to
 * any other address are answered by the routes as if they asked for nothing special.
 */
export class Upgrades extends Context.Service<
  Upgrades,
  {
    /** Until the scope closes. The handler must not throw. */
    readonly register: (path: string, handler: (upgrade: Upgrade) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@devops-mcp/infrastructure/Upgrades") {}

const pathOf = (url = "") => url.split("?", 1)[0] ?? ""

/** The registered addresses, and how a server comes to use them. */
export const makeUpgrades = () => {
  const handlers = new Map<string, (upgrade: Upgrade) => void>()
  const sockets = new Set<Duplex>()

  return {
    service: Upgrades.of({
      register: (path, handler) =>
        Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => handlers.set(path, handler)),
            () => Effect.sync(() => handlers.delete(path))
          )
        )
    }),

    /** Puts the registered addresses before whoever takes the server's upgrade requests now. */
    attach: (server: Server) => {
      const others = server.listeners("upgrade")
      server.removeAllListeners("upgrade")
      server.on("upgrade", (request, socket, head) => {
        const handler = handlers.get(pathOf(request.url))
        if (handler === undefined) {
          for (const other of others) Reflect.apply(other, server, [request, socket, head])
          return
        }
        sockets.add(socket)
        socket.once("close", () => sockets.delete(socket))
        // Whoever takes the connection hears of errors by its end; without a listener they would end the process.
        socket.on("error", () => socket.destroy())
        handler({ request, socket, head })
      })
    },

    /** The server itself forgets connections that were upgraded. */
    destroyAll: () => {
      for (const socket of sockets) socket.destroy()
    }
  }
}
