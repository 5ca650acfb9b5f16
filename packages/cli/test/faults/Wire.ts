import { listening } from "@devops-mcp/testing/Peers"
import { Effect } from "effect"
import { connect, createServer, type Socket } from "node:net"

/** A line to a server that can be cut: then nobody gets through, and who is on it loses the connection. */
export const makeWire = Effect.fnUntraced(function* (target: { readonly host: string; readonly port: number }) {
  const sockets = new Set<Socket>()
  let isCut = false
  const hold = (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket))
  }
  const server = createServer((near) => {
    hold(near)
    if (isCut) return near.destroy()
    const far = connect(target.port, target.host)
    hold(far)
    near.pipe(far).pipe(near)
    near.on("close", () => far.destroy())
    far.on("close", () => near.destroy())
    return undefined
  })
  const drop = () => {
    for (const socket of sockets) socket.destroy()
  }
  const port = yield* listening(server)
  yield* Effect.addFinalizer(() => Effect.sync(drop))
  return {
    port,
    cut: Effect.sync(() => {
      isCut = true
      drop()
    }),
    mend: Effect.sync(() => {
      isCut = false
    })
  }
})
