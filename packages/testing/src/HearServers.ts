import { Server, ServerResponse } from "node:http"
import { Server as TlsServer } from "node:https"
import { WebSocket } from "ws"
import type { Answer } from "./Answers.ts"
import type { RunWatch } from "./RunWatch.ts"

/** Has a method also do something else, with what it was called on and with. */
export const also = <Self extends object>(
  target: Self,
  name: keyof Self & string,
  act: (self: Self, args: ReadonlyArray<unknown>) => void,
  when: "before" | "after" = "before"
) => {
  const method: unknown = Reflect.get(target, name)
  if (typeof method !== "function") throw new Error(`There is no method '${name}'`)
  const both = new Proxy(method, {
    apply: (method, self: Self, args: ReadonlyArray<unknown>) => {
      if (when === "before") act(self, args)
      const result: unknown = Reflect.apply(method, self, args)
      if (when === "after") act(self, args)
      return result
    }
  })
  Object.defineProperty(target, name, { value: both, writable: true, configurable: true, enumerable: false })
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

/** The server that accepted a connection; Node tells it there. */
const serverOf = (socket: unknown) => {
  const server: unknown = isObject(socket) ? Reflect.get(socket, "server") : undefined
  return isObject(server) ? server : undefined
}

/** Hears what a server writes to a connection itself; what it then frames for WebSockets is heard as it is said. */
const hearSocket = (watch: RunWatch, socket: object) => {
  const hear = (_: object, [chunk]: ReadonlyArray<unknown>) => {
    const text = chunk instanceof Uint8Array ? Buffer.from(chunk).toString("utf8") : chunk
    if (typeof text === "string" && text.startsWith("HTTP/")) watch.hear("an answer to an upgrade", text)
  }
  for (const name of ["write", "end"]) also(socket, name as never, hear)
}

/**
 * Has the watch hear every answer of every HTTP server in this process, whoever made it and however it is asked: over
 * TLS or not, whole or as a stream, and over WebSockets. Peers that stand for others' servers in tests are not heard.
 */
export const hearServers = (watch: RunWatch) => {
  const open = new WeakMap<ServerResponse, Answer>()
  const isOurs = (socket: unknown) => {
    const server = serverOf(socket)
    return server !== undefined && !watch.peers.has(server)
  }

  const begin = (response: ServerResponse) => {
    const { req } = response
    if (!isOurs(response.socket) || open.has(response)) return
    watch.guardCredential(req.headers.authorization)
    const { method = "", url = "" } = req
    const headers = String(Reflect.get(response, "_header"))
    const http = { method, path: url, status: response.statusCode, headers }
    open.set(response, watch.answer({ place: `the answer to ${method} ${url.split("?")[0]}`, http }))
  }
  // Whoever has not called it has Node call it before the first byte.
  also(ServerResponse.prototype, "writeHead", begin, "after")
  const add = (response: ServerResponse, [chunk]: ReadonlyArray<unknown>) => open.get(response)?.add(chunk)
  also(ServerResponse.prototype, "write", add, "after")
  also(
    ServerResponse.prototype,
    "end",
    (response, args) => {
      add(response, args)
      open.get(response)?.end()
    },
    "after"
  )

  for (const { prototype } of [Server, TlsServer]) {
    also(prototype, "emit", (server, [event, first, second]) => {
      if (event !== "upgrade" || watch.peers.has(server) || !isObject(second)) return
      if (isObject(first))
        watch.guardCredential((first as { headers?: { authorization?: string } }).headers?.authorization)
      hearSocket(watch, second)
    })
  }
  also(WebSocket.prototype, "send", (socket, [data]) => {
    if (Reflect.get(socket, "_isServer") !== true || !isOurs(Reflect.get(socket, "_socket"))) return
    const text = data instanceof Uint8Array ? Buffer.from(data).toString("utf8") : data
    if (typeof text === "string") watch.hear("a WebSocket's message", text)
  })
}
