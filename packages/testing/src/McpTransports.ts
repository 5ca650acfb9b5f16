import { Schema } from "effect"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"

const decodeJson = Schema.decodeSync(Schema.fromJsonString(Schema.Unknown))
const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** What both SDKs call a transport. Each has its own type for messages and checks them itself. */
abstract class JsonTransport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: never) => void

  protected receive(text: string) {
    this.onmessage?.(decodeJson(text) as never)
  }
}

/** JSON-RPC a line over a pair of streams: a client's end of a server's standard input and output. */
export class LineTransport extends JsonTransport {
  readonly #input: Readable
  readonly #output: Writable

  constructor(input: Readable, output: Writable) {
    super()
    this.#input = input
    this.#output = output
  }

  start() {
    const lines = createInterface({ input: this.#input })
    lines.on("line", (line) => this.receive(line))
    lines.on("close", () => this.onclose?.())
    return Promise.resolve()
  }

  send(message: unknown) {
    this.#output.write(`${encodeJson(message)}\n`)
    return Promise.resolve()
  }

  close() {
    this.#output.end()
    return Promise.resolve()
  }
}

/**
 * JSON-RPC a text frame over a WebSocket, with a credential in the handshake. The older SDK has such a transport too,
 * but browsers cannot send headers, so neither can it.
 */
export class SocketTransport extends JsonTransport {
  readonly #url: string
  readonly #key: string
  #socket: WebSocket | undefined

  constructor(url: string, key: string) {
    super()
    this.#url = url
    this.#key = key
  }

  start() {
    const socket = new WebSocket(this.#url, { protocols: ["mcp"], headers: { authorization: `Bearer ${this.#key}` } })
    this.#socket = socket
    socket.addEventListener("message", ({ data }) => this.receive(String(data)))
    socket.addEventListener("close", () => this.onclose?.())
    return new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve())
      socket.addEventListener("error", ({ message }) => reject(new Error(`The WebSocket failed: ${message}`)))
    })
  }

  send(message: unknown) {
    this.#socket?.send(encodeJson(message))
    return Promise.resolve()
  }

  close() {
    const socket = this.#socket
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return Promise.resolve()
    return new Promise<void>((resolve) => {
      socket.addEventListener("close", () => resolve())
      socket.close()
    })
  }
}
