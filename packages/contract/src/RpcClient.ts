import { Effect, Layer, Redacted } from "effect"
import { RpcClient, RpcSerialization } from "effect/rpc"
import { Socket } from "effect/socket"
import { EventsRpc, rpcPath } from "./EventsRpc.ts"

/**
 * The typed client of a running server's procedures, for as long as the scope is open; `url` is the server's address
 * without a path. Needs a `WebSocketConstructor` that sends headers, as Node's and Bun's do.
 */
export const rpcClient = (url: string, key: string | Redacted.Redacted) => {
  const authorization = `Bearer ${Redacted.isRedacted(key) ? Redacted.value(key) : key}`
  const socket = Socket.layerWebSocket(`${url.replace(/^http/, "ws")}${rpcPath}`, { headers: { authorization } })
  const protocol = RpcClient.layerProtocolSocket().pipe(
    Layer.provide(Layer.merge(socket, RpcSerialization.layerNdjson))
  )
  return Effect.flatMap(Layer.build(protocol), (context) => Effect.provideContext(RpcClient.make(EventsRpc), context))
}
