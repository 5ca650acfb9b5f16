import { type ChildProcess } from "node:child_process"
import { subscribe } from "node:diagnostics_channel"
import { type ClientRequest, type IncomingMessage } from "node:http"
import { type AddressInfo, type Server } from "node:net"
import type { Readable } from "node:stream"
import { WebSocket as Ws } from "ws"
import type { Answer } from "./Answers.ts"
import { also } from "./HearServers.ts"
import type { RunWatch } from "./RunWatch.ts"

const portOf = (server: Server) => {
  const address: string | AddressInfo | null = server.address()
  return typeof address === "object" && address !== null ? address.port : undefined
}

/** The ports that this process listens on: what comes from them was heard where it was said. */
const listening = () => {
  const ports = new Set<number>()
  subscribe("tracing:net.server.listen:asyncEnd", (message) => {
    const { server } = message as { server: Server }
    const port = portOf(server)
    if (port === undefined) return
    ports.add(port)
    server.once("close", () => ports.delete(port))
  })
  return ports
}

/** The ports of the services that tests are pointed at. */
const services = () =>
  new Set(
    ["DATABASE_URL", "REDIS_URL", "AWS_ENDPOINT_URL"].flatMap((name) => {
      const url = URL.parse(process.env[name] ?? "")
      return url === null ? [] : [Number(url.port)]
    })
  )

/** What undici, Node's `fetch`, tells of a request. */
interface UndiciRequest {
  readonly origin: string | URL
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyArray<string> | string
}

const lines = (pairs: ReadonlyArray<unknown>) => {
  const found: Array<string> = []
  for (let at = 0; at + 1 < pairs.length; at += 2) found.push(`${String(pairs[at])}: ${String(pairs[at + 1])}`)
  return found.join("\r\n")
}

/** The commands that show a key, once, on standard output; and where in it. */
const shownIn = (args: ReadonlyArray<string>): ReadonlyArray<RegExp> => {
  if (args[0] === "keys") return args[1] === "create" ? [/^(dmk_[\w-]{32,})$/m] : []
  if (args[0] !== "start" && args[0] !== "demo") return []
  // The banner has it twice: by itself, and in a command to be copied.
  return [
    /shown only now: (dmk_[\w-]{32,})/,
    /^ {4}claude mcp add .* --header "Authorization: Bearer (dmk_[\w-]{32,})"$/m
  ]
}

/**
 * Has the watch hear everything that programs in other processes say to this one: what comes of their standard output and
 * error, and what they answer to HTTP requests and say on WebSockets. Whatever listens on loopback and neither in this
 * process nor as one of the services that tests are pointed at is such a program.
 */
export const hearPrograms = (watch: RunWatch) => {
  const here = listening()
  const others = services()
  const isProgram = (url: URL | null) => {
    if (url === null || !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) return false
    const port = Number(url.port)
    return port !== 0 && !here.has(port) && !others.has(port)
  }

  const hearStream = (stream: Readable, answer: Answer) => {
    also(stream, "push", (_, [chunk]) => (chunk === null ? answer.end() : answer.add(chunk)))
  }

  subscribe("child_process", (message) => {
    const { process: child } = message as { process: ChildProcess }
    child.once("spawn", () => {
      const [program, file = "", ...args] = child.spawnargs
      if (program !== process.execPath) return
      const name = `${file.split("/").at(-1)} ${args[0] ?? ""}`
      if (child.stderr !== null) hearStream(child.stderr, watch.answer({ place: `standard error of ${name}` }))
      if (child.stdout !== null) {
        hearStream(child.stdout, watch.answer({ place: `standard output of ${name}`, shownIn: shownIn(args) }))
      }
    })
  })

  const fetched = new WeakMap<object, Answer>()
  subscribe("undici:request:create", (message) => {
    const { request } = message as { request: UndiciRequest }
    const headers = typeof request.headers === "string" ? request.headers : lines(request.headers)
    watch.guardCredential(/^authorization: (.*?)\r?$/im.exec(headers)?.[1])
  })
  subscribe("undici:request:headers", (message) => {
    const { request, response } = message as {
      request: UndiciRequest
      response: { statusCode: number; headers: ReadonlyArray<Buffer> }
    }
    const { method, origin, path } = request
    if (!isProgram(URL.parse(String(origin)))) return
    const http = { method, path, status: response.statusCode, headers: lines(response.headers) }
    fetched.set(request, watch.answer({ place: `a program's answer to ${method} ${path.split("?")[0]}`, http }))
  })
  subscribe("undici:request:bodyChunkReceived", (message) => {
    const { chunk, request } = message as { request: object; chunk: unknown }
    fetched.get(request)?.add(chunk)
  })
  for (const end of ["undici:request:trailers", "undici:request:error"]) {
    subscribe(end, (message) => {
      fetched.get((message as { request: object }).request)?.end()
    })
  }

  subscribe("http.client.response.finish", (message) => {
    const { request, response } = message as { request: ClientRequest; response: IncomingMessage }
    const { host, method, path } = request
    const { rawHeaders, statusCode = 0, socket } = response
    if (!isProgram(URL.parse(`http://${host}:${socket.remotePort}`))) return
    const http = { method, path, status: statusCode, headers: lines(rawHeaders) }
    hearStream(response, watch.answer({ place: `a program's answer to ${method} ${path.split("?")[0]}`, http }))
  })

  const hearMessage = (url: string, data: unknown) => {
    if (!isProgram(URL.parse(url))) return
    const text = data instanceof Uint8Array ? Buffer.from(data).toString("utf8") : data
    if (typeof text === "string") watch.hear("a message of a program's WebSocket", text)
  }
  also(Ws.prototype, "emit", (socket, [event, data]) => {
    if (event === "message" && Reflect.get(socket, "_isServer") !== true) hearMessage(socket.url, data)
  })
  also(WebSocket.prototype, "dispatchEvent", (socket, [event]) => {
    if (event instanceof MessageEvent) hearMessage(socket.url, event.data)
  })
}
