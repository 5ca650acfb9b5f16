import { randomUUID } from "node:crypto"

/** One request that is sent over and over; an answer counts when it succeeds and contains `expected`. */
export interface LoadRequest {
  /** A `ws:` address takes the body as a message, all others as a request. */
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** With a body it is a POST, without one a GET. */
  readonly body?: string
  readonly expected: string
  /** Of an answer that is a success; 200 when absent. */
  readonly status?: number
}

/** Where this stands in a head, every sending has a UUID of its own. */
export const freshId = "00000000-0000-0000-0000-000000000000"

/** How a request and its answers look on the connection. With one in flight, nothing follows an answer. */
export interface Wire {
  /** What is sent once, before the first request, and is answered as `upgraded` tells. */
  readonly upgrade: Buffer | undefined
  /** The request, as it is sent next. */
  readonly next: () => Buffer
  /** The body, once all of it has arrived; `isSuccess` says whether it is one. */
  readonly answer: (received: Buffer) => { readonly body: Buffer; readonly isSuccess: boolean } | undefined
}

const endOfHead = Buffer.from("\r\n\r\n")
const endOfChunks = Buffer.from("\r\n0\r\n\r\n")

const head = (method: string, { headers, url }: LoadRequest, more: Readonly<Record<string, string>>) => {
  const lines = Object.entries({ host: url.host, ...headers, ...more }).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`${method} ${url.pathname} HTTP/1.1\r\n${lines.join("")}\r\n`)
}

/** Where the body begins, once the head is there. */
export const bodyStart = (received: Buffer): number | undefined => {
  const end = received.indexOf(endOfHead)
  return end < 0 ? undefined : end + endOfHead.length
}

const hasStatus = (received: Buffer, status: number) => received.toString("latin1", 9, 12) === String(status)

const http = (request: LoadRequest): Wire => {
  const { body, status = 200 } = request
  const bytes =
    body === undefined
      ? head("GET", request, {})
      : Buffer.concat([head("POST", request, { "content-length": String(Buffer.byteLength(body)) }), Buffer.from(body)])
  const idAt = bytes.indexOf(freshId)
  return {
    upgrade: undefined,
    next: () => {
      if (idAt < 0) return bytes
      // What was written before may still be on its way.
      const own = Buffer.from(bytes)
      own.write(randomUUID(), idAt, "latin1")
      return own
    },
    answer: (received) => {
      const start = bodyStart(received)
      if (start === undefined) return undefined
      const length = /\ncontent-length: *(\d+)/i.exec(received.toString("latin1", 0, start))?.[1]
      const isComplete =
        length === undefined
          ? received.subarray(-endOfChunks.length).equals(endOfChunks)
          : received.length >= start + Number(length)
      return isComplete ? { body: received.subarray(start), isSuccess: hasStatus(received, status) } : undefined
    }
  }
}

const opcode = { text: 1, ping: 9 }

/** The first frame: its kind, and where its payload is. Undefined until its header has arrived. */
const frameOf = (received: Buffer) => {
  if (received.length < 2) return undefined
  const short = received.readUInt8(1)
  const start = short === 127 ? 10 : short === 126 ? 4 : 2
  if (received.length < start) return undefined
  const length = short === 127 ? Number(received.readBigUInt64BE(2)) : short === 126 ? received.readUInt16BE(2) : short
  return { kind: received.readUInt8(0) & 0xf, start, end: start + length }
}

/** A text frame of a client. Its mask is zeros, with which masking changes nothing: only the server's work counts here. */
const textFrame = (text: string) => {
  const payload = Buffer.from(text)
  const header = Buffer.alloc(payload.length < 126 ? 6 : 8)
  header.writeUInt8(0x80 | opcode.text, 0)
  if (payload.length < 126) {
    header.writeUInt8(0x80 | payload.length, 1)
  } else {
    header.writeUInt8(0x80 | 126, 1)
    header.writeUInt16BE(payload.length, 2)
  }
  return Buffer.concat([header, payload])
}

const webSocket = (request: LoadRequest, message = textFrame(request.body ?? "")): Wire => ({
  upgrade: head("GET", request, {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "ZGV2b3BzLW1jcC1iZW5jaA==",
    "sec-websocket-protocol": "mcp"
  }),
  next: () => message,
  answer: (received) => {
    let frame = frameOf(received)
    // A ping may come in between; a round is over before an answer to it is missed.
    while (frame?.kind === opcode.ping) {
      received = received.subarray(frame.end)
      frame = frameOf(received)
    }
    if (frame === undefined || received.length < frame.end) return undefined
    return { body: received.subarray(frame.start, frame.end), isSuccess: frame.kind === opcode.text }
  }
})

/** Whether the server has agreed to speak WebSocket from here on. */
export const isUpgraded = (received: Buffer) => hasStatus(received, 101)

export const wireOf = (request: LoadRequest): Wire =>
  request.url.protocol === "ws:" ? webSocket(request) : http(request)
