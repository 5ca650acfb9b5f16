import { deepestNesting, isNestedDeeper } from "@devops-mcp/core/JsonNesting"
import { frameErrorCode } from "@devops-mcp/infrastructure/FrameErrors"
import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  type JSONRPCMessage,
  PARSE_ERROR,
  parseJSONRPCMessage,
  type Transport
} from "@modelcontextprotocol/server"
import { Option, Result } from "effect"
import type { RawData, WebSocket } from "ws"
import type { Connection } from "../edge/Connection.ts"
import { encodeJson, parseJson } from "../edge/Json.ts"
import type { Admitted } from "./Admission.ts"

/** Unsent bytes above which a peer is not read any more, so that asking without reading gets no further answers. */
const pauseAbove = 1024 * 1024

/** Unsent bytes above which a peer is disconnected: it does not read what it asked for or listens to. */
const maxUnsent = 16 * 1024 * 1024

/** Characters of a request to listen: it is kept as long as its connection. */
const maxListenLength = 64 * 1024

/** Why a WebSocket is closed, as RFC 6455 and its registry number it. */
const closeCodes = { goingAway: 1001, unsupportedData: 1003, policyViolation: 1008, tryAgainLater: 1013 }

/** What a peer needs of the server. */
export interface Served {
  /** Made with the first message. */
  readonly open: (peer: WebSocketPeer) => Connection
  /** Told of what the client sends that is no message, with the code that it is answered or closed with. */
  readonly refused: (admitted: Admitted, code: number) => void
}

const idOf = (json: unknown): string | number | null =>
  typeof json === "object" &&
  json !== null &&
  "id" in json &&
  (typeof json.id === "string" || typeof json.id === "number")
    ? json.id
    : null

/**
 * One client on one WebSocket: a message per text frame. What serves it is made with its first message, so a connection
 * that only waits costs little more than its socket.
 */
export class WebSocketPeer implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  readonly admitted: Admitted
  readonly #socket: WebSocket
  readonly #served: Served
  #connection: Connection | undefined
  #alive = true

  constructor(socket: WebSocket, admitted: Admitted, served: Served) {
    this.#socket = socket
    this.admitted = admitted
    this.#served = served
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary))
    socket.on("pong", () => (this.#alive = true))
    // The socket closes itself after an error.
    socket.on("error", (error) => {
      const code = frameErrorCode(error)
      if (code !== undefined) this.#served.refused(admitted, code)
      this.onerror?.(error)
    })
    socket.on("close", () => this.onclose?.())
  }

  get connection() {
    return this.#connection
  }

  start() {
    return Promise.resolve()
  }

  send(message: JSONRPCMessage) {
    return this.#write(message) ? Promise.resolve() : Promise.reject(new Error("The WebSocket is closed"))
  }

  close() {
    this.#end(closeCodes.goingAway, "The server is stopping")
    return Promise.resolve()
  }

  /** Asks for a sign of life; who has given none since the last time is cut off. */
  probe() {
    if (!this.#alive) return this.#socket.terminate()
    this.#alive = false
    this.#socket.ping()
  }

  /** The credential that opened the connection is valid no more. */
  revoke(reason: string) {
    this.#end(closeCodes.policyViolation, reason)
  }

  /** Ends the connection once it has nothing to answer. */
  drain() {
    if (this.#connection === undefined) void this.close()
    else this.#connection.drain()
  }

  #end(code: number, reason: string) {
    // Who does not read would not see the close frame either, and `ws` cuts the connection soon.
    this.#socket.resume()
    this.#socket.close(code, reason)
  }

  #write(message: unknown): boolean {
    const socket = this.#socket
    if (socket.readyState !== socket.OPEN) return false
    if (socket.bufferedAmount > maxUnsent) {
      this.#end(closeCodes.tryAgainLater, "The client does not read")
      return false
    }
    socket.send(encodeJson(message), this.#sent)
    if (socket.bufferedAmount > pauseAbove) socket.pause()
    return true
  }

  readonly #sent = () => {
    this.#alive = true
    if (this.#socket.isPaused && this.#socket.bufferedAmount <= pauseAbove) this.#socket.resume()
  }

  #refuse(code: number, message: string, id: string | number | null = null) {
    this.#served.refused(this.admitted, code)
    this.#write({ jsonrpc: "2.0", id, error: { code, message } })
  }

  #receive(data: RawData, isBinary: boolean) {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    if (isBinary) {
      this.#served.refused(this.admitted, closeCodes.unsupportedData)
      return this.#end(closeCodes.unsupportedData, "Messages are text frames")
    }
    const text = data.toString()
    if (isNestedDeeper(text, deepestNesting)) {
      return this.#refuse(INVALID_REQUEST, `The message is nested deeper than ${deepestNesting} levels`)
    }
    const json = parseJson(text)
    if (Option.isNone(json)) return this.#refuse(PARSE_ERROR, "Parse error: Invalid JSON")
    const message = Result.try(() => parseJSONRPCMessage(json.value))
    if (Result.isFailure(message)) {
      return this.#refuse(INVALID_REQUEST, "Invalid Request: no JSON-RPC message", idOf(json.value))
    }
    if (
      text.length > maxListenLength &&
      "method" in message.success &&
      message.success.method === "subscriptions/listen"
    ) {
      return this.#refuse(INVALID_PARAMS, `At most ${maxListenLength} characters to listen`, idOf(json.value))
    }
    this.#connection ??= this.#served.open(this)
    this.onmessage?.(message.success)
  }
}
