/** Frames of the PostgreSQL wire protocol 3: cutting a byte stream into them, and the few the gateway writes itself. */

/** Message types by their byte. A packet sent before the session starts has no type; its first byte is then 0. */
export const Type = {
  startup: 0x00,
  notification: 0x41,
  bind: 0x42,
  close: 0x43,
  describe: 0x44,
  error: 0x45,
  functionCall: 0x46,
  flush: 0x48,
  backendKey: 0x4b,
  parse: 0x50,
  query: 0x51,
  parameterStatus: 0x53,
  sync: 0x53,
  terminate: 0x58,
  ready: 0x5a
} as const

/** Codes of the packets a client may send before its startup message. */
export const Request = { cancel: 80877102, ssl: 80877103, gssEncryption: 80877104 } as const

/** A client's frame or cycle larger than this is refused: one client must not exhaust the memory all of them share. */
export const maxClientBytes = 64 * 1024 * 1024

const maxStartupBytes = 10_000

/** The stream cannot be followed any more; the connection it came from has to go. */
export class FrameError extends Error {
  override readonly name = "FrameError"
}

const isStartup = (packet: Buffer): boolean => {
  const code = packet.readInt32BE(4)
  return code !== Request.cancel && code !== Request.ssl && code !== Request.gssEncryption
}

/**
 * Cuts a byte stream into frames, however the stream was chunked.
 * Nothing beyond one incomplete frame is kept, and that frame is bounded by its declared length.
 */
export class FrameReader {
  readonly #limit: number
  #chunks: Array<Buffer> = []
  #size = 0
  #typed: boolean

  /** A client's stream begins with untyped packets and is bounded; the backend's is neither, it being our own. */
  constructor(origin: "client" | "backend") {
    this.#typed = origin === "backend"
    this.#limit = origin === "backend" ? Number.POSITIVE_INFINITY : maxClientBytes
  }

  push(chunk: Uint8Array): Array<Buffer> {
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    this.#size += chunk.byteLength
    const frames: Array<Buffer> = []
    for (let frame = this.#take(); frame !== undefined; frame = this.#take()) frames.push(frame)
    return frames
  }

  #take(): Buffer | undefined {
    const header = this.#typed ? 5 : 8
    if (this.#size < header) return undefined
    if (this.#chunks[0]!.length < header) this.#join()
    const declared = this.#chunks[0]!.readInt32BE(this.#typed ? 1 : 0)
    const length = this.#typed ? declared + 1 : declared
    const limit = this.#typed ? this.#limit : maxStartupBytes
    if (length < header || length > limit) {
      throw new FrameError(`A message of ${length} bytes is outside the accepted range of ${header} to ${limit}`)
    }
    if (this.#size < length) return undefined
    if (this.#chunks[0]!.length < length) this.#join()
    const head = this.#chunks[0]!
    const frame = head.subarray(0, length)
    this.#size -= length
    if (head.length === length) this.#chunks.shift()
    else this.#chunks[0] = head.subarray(length)
    if (!this.#typed && isStartup(frame)) this.#typed = true
    return frame
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks, this.#size)]
  }
}

const frame = (type: number, ...body: ReadonlyArray<Uint8Array>): Buffer => {
  const output = Buffer.concat([Buffer.alloc(5), ...body])
  output[0] = type
  output.writeInt32BE(output.length - 1, 1)
  return output
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`)

/** A `Sync`: ends an extended-query cycle. */
export const sync: Buffer = frame(Type.sync)

/** The answer to a `Sync` outside a transaction. */
export const readyIdle: Buffer = frame(Type.ready, Buffer.from("I"))

/** A simple query; several statements may be separated by semicolons. */
export const query = (sql: string): Buffer => frame(Type.query, text(sql))

/** Closes a prepared statement; closing one that does not exist is not an error. */
export const closeStatement = (name: string): Buffer => frame(Type.close, Buffer.from("S"), text(name))

/** The startup message of the gateway's own first session. */
export const startup: Buffer = (() => {
  const body = Buffer.concat([Buffer.from([0, 3, 0, 0]), text("user"), text("postgres"), Buffer.from([0])])
  const output = Buffer.concat([Buffer.alloc(4), body])
  output.writeInt32BE(output.length, 0)
  return output
})()

/** An `ErrorResponse`. `FATAL` says that the session is over, `ERROR` that the cycle is. */
export const error = (severity: "ERROR" | "FATAL", code: string, message: string): Buffer =>
  frame(Type.error, text(`S${severity}`), text(`V${severity}`), text(`C${code}`), text(`M${message}`), Buffer.from([0]))

/** The SQL text of a `Query` or `Parse` frame; `undefined` for other frames. */
export const statementText = (message: Buffer): string | undefined => {
  if (message[0] === Type.query) return message.toString("utf8", 5, message.length - 1)
  if (message[0] !== Type.parse) return undefined
  const start = message.indexOf(0, 5) + 1
  return message.toString("utf8", start, message.indexOf(0, start))
}

/** The same `Query` or `Parse` frame with another SQL text. */
export const withStatementText = (message: Buffer, sql: string): Buffer => {
  if (message[0] === Type.query) return query(sql)
  const start = message.indexOf(0, 5) + 1
  return frame(Type.parse, message.subarray(5, start), text(sql), message.subarray(message.indexOf(0, start) + 1))
}

const statementNameOffset = (message: Buffer): number => {
  switch (message[0]) {
    case Type.parse:
      return 5
    case Type.bind:
      return message.indexOf(0, 5) + 1
    case Type.describe:
    case Type.close:
      return message[5] === 0x53 ? 6 : -1
    default:
      return -1
  }
}

/** The name of the prepared statement a frame speaks of; `undefined` when it names none. */
export const statementName = (message: Buffer): string | undefined => {
  const at = statementNameOffset(message)
  return at < 0 || message[at] === 0 ? undefined : message.toString("utf8", at, message.indexOf(0, at))
}

/** The same frame with `prefix` in front of the name of its prepared statement. The unnamed statement keeps no name. */
export const withStatementPrefix = (message: Buffer, prefix: string): Buffer => {
  const at = statementNameOffset(message)
  if (at < 0 || message[at] === 0) return message
  return frame(message[0]!, message.subarray(5, at), Buffer.from(prefix), message.subarray(at))
}

/** The channel of a `NotificationResponse`. */
export const notificationChannel = (message: Buffer): string => message.toString("utf8", 9, message.indexOf(0, 9))
