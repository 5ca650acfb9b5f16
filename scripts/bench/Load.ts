import { Clock, Duration, Effect, Schema } from "effect"
import { connect, type Socket } from "node:net"

/** Requests in flight at once, each on a connection of its own that is kept. */
export const concurrency = 16

/** How long the answers may take that are still due when a round ends. */
const tail = Duration.seconds(10)

/** The load is of no use: a request was not answered as it should be. */
export class LoadFailed extends Schema.TaggedError<LoadFailed>()("LoadFailed", { detail: Schema.String }) {
  override get message() {
    return `The load stopped: ${this.detail}`
  }
}

/** One request that is sent over and over; an answer counts when it is a 200 and contains `expected`. */
export interface LoadRequest {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** With a body it is a POST, without one a GET. */
  readonly body?: string
  readonly expected: string
}

const bytesOf = ({ body, headers, url }: LoadRequest): Buffer => {
  const all = {
    host: url.host,
    ...headers,
    ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) })
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const method = body === undefined ? "GET" : "POST"
  return Buffer.from(`${method} ${url.pathname} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`)
}

const empty: Buffer = Buffer.alloc(0)
const endOfHead = Buffer.from("\r\n\r\n")
const endOfChunks = Buffer.from("\r\n0\r\n\r\n")

/**
 * Where the body begins, once all of the answer is there. With one request in flight there is nothing behind an answer,
 * so its end is the end of what was received.
 */
const bodyStart = (received: Buffer): number | undefined => {
  const head = received.indexOf(endOfHead)
  if (head < 0) return undefined
  const start = head + endOfHead.length
  const length = /\ncontent-length: *(\d+)/i.exec(received.toString("latin1", 0, head))?.[1]
  const isComplete =
    length === undefined
      ? received.subarray(-endOfChunks.length).equals(endOfChunks)
      : received.length >= start + Number(length)
  return isComplete ? start : undefined
}

const open = (url: URL) =>
  Effect.acquireRelease(
    Effect.callback<Socket, LoadFailed>((resume) => {
      const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.once("error", ({ message }) => resume(Effect.fail(new LoadFailed({ detail: message }))))
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

interface Run {
  answered: number
  bodyBytes: number
  stopping: boolean
}

/** Sends the request again with each answer, until the run stops. Callbacks, because the generator must be the fast one. */
const drive = (socket: Socket, request: LoadRequest, run: Run) =>
  Effect.callback<void, LoadFailed>((resume) => {
    const bytes = bytesOf(request)
    const fail = (detail: string) => resume(Effect.fail(new LoadFailed({ detail })))
    let received = empty
    socket.on("error", ({ message }) => fail(message))
    socket.on("close", () => fail("the server closed a connection"))
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
      const start = bodyStart(received)
      if (start === undefined) return
      if (!received.toString("latin1", 0, 12).endsWith(" 200") || !received.includes(request.expected)) {
        return fail(`unexpected answer\n${received.toString()}`)
      }
      run.answered++
      run.bodyBytes = received.length - start
      received = empty
      if (run.stopping) resume(Effect.void)
      else socket.write(bytes)
    })
    socket.write(bytes)
  })

/** Keeps the server busy for a while. Every request that was sent is answered and counted when it returns. */
export const load = Effect.fnUntraced(function* (request: LoadRequest, duration: Duration.Duration) {
  const sockets = yield* Effect.replicateEffect(open(request.url), concurrency)
  const run: Run = { answered: 0, bodyBytes: 0, stopping: false }
  const startedAt = yield* Clock.currentTimeNanos
  const stop = Effect.andThen(
    Effect.sleep(duration),
    Effect.sync(() => (run.stopping = true))
  )
  const driven = Effect.forEach(sockets, (socket) => drive(socket, request, run), { concurrency, discard: true })
  yield* Effect.all([driven, stop], { concurrency: 2, discard: true }).pipe(
    Effect.timeoutOrElse({
      duration: Duration.sum(duration, tail),
      orElse: () => Effect.fail(new LoadFailed({ detail: "an answer did not come" }))
    })
  )
  const seconds = Number((yield* Clock.currentTimeNanos) - startedAt) / 1e9
  return { answered: run.answered, bodyBytes: run.bodyBytes, perSecond: run.answered / seconds }
}, Effect.scoped)
