import { Array, Clock, Duration, Effect, Schema } from "effect"
import { connect, type Socket } from "node:net"
import { bodyStart, isUpgraded, type LoadRequest, type Wire, wireOf } from "./Wire.ts"

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

const empty: Buffer = Buffer.alloc(0)

/** One request for each connection in turn: they differ where a connection has a session of its own. */
export type LoadRequests = Array.NonEmptyReadonlyArray<LoadRequest>

const open = ({ hostname, port }: URL) =>
  Effect.acquireRelease(
    Effect.callback<Socket, LoadFailed>((resume) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true })
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.once("error", ({ message }) => resume(Effect.fail(new LoadFailed({ detail: message }))))
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const upgrade = (socket: Socket, bytes: Buffer) =>
  Effect.callback<void, LoadFailed>((resume) => {
    let received = empty
    const receive = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (bodyStart(received) === undefined) return
      socket.off("data", receive)
      resume(isUpgraded(received) ? Effect.void : Effect.fail(new LoadFailed({ detail: received.toString() })))
    }
    socket.on("data", receive)
    socket.once("close", () => resume(Effect.fail(new LoadFailed({ detail: "no WebSocket was opened" }))))
    socket.write(bytes)
  })

interface Run {
  /** How long each answer took, in milliseconds. */
  readonly latencies: Array<number>
  bodyBytes: number
  stopping: boolean
}

export interface Connection {
  readonly socket: Socket
  readonly wire: Wire
  readonly expected: string
}

/** Is closed with the scope. */
export const connectTo = Effect.fnUntraced(function* (request: LoadRequest) {
  const socket = yield* open(request.url)
  const wire = wireOf(request)
  if (wire.upgrade !== undefined) yield* upgrade(socket, wire.upgrade)
  return { socket, wire, expected: request.expected } satisfies Connection
})

/** Sends the request again with each answer, until the run stops. Callbacks, because the generator must be the fast one. */
const drive = ({ expected, socket, wire }: Connection, run: Run, clock: Clock.Clock) =>
  Effect.callback<void, LoadFailed>((resume) => {
    const fail = (detail: string) => resume(Effect.fail(new LoadFailed({ detail })))
    let received = empty
    let sentAt = 0n
    const send = () => {
      sentAt = clock.currentTimeNanosUnsafe()
      socket.write(wire.next())
    }
    socket.on("error", ({ message }) => fail(message))
    socket.on("close", () => fail("the server closed a connection"))
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
      const answer = wire.answer(received)
      if (answer === undefined) return
      if (!answer.isSuccess || !answer.body.includes(expected)) return fail(`unexpected answer\n${received.toString()}`)
      run.latencies.push(Number(clock.currentTimeNanosUnsafe() - sentAt) / 1e6)
      run.bodyBytes = answer.body.length
      received = empty
      if (run.stopping) resume(Effect.void)
      else send()
    })
    send()
  })

/** Sends the request once, and waits for its answer. */
export const exchange = ({ expected, socket, wire }: Connection) =>
  Effect.callback<void, LoadFailed>((resume) => {
    let received = empty
    const end = (effect: Effect.Effect<void, LoadFailed>) => {
      socket.off("data", hear).off("error", fail).off("close", fail)
      resume(effect)
    }
    const fail = () => end(Effect.fail(new LoadFailed({ detail: "the server closed a connection" })))
    const hear = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const answer = wire.answer(received)
      if (answer === undefined) return
      if (answer.isSuccess && answer.body.includes(expected)) return end(Effect.void)
      end(Effect.fail(new LoadFailed({ detail: `unexpected answer\n${received.toString()}` })))
    }
    socket.on("data", hear).on("error", fail).on("close", fail)
    socket.write(wire.next())
  })

/** The value that this share of the latencies does not exceed. */
export const percentile = (sorted: Float64Array, share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

/** Keeps the server busy for a while. Every request that was sent is answered and counted when it returns. */
export const load = Effect.fnUntraced(function* (
  requests: LoadRequests,
  duration: Duration.Duration,
  atOnce: number = concurrency
) {
  const all = Array.makeBy(atOnce, (index) => requests[index % requests.length] ?? requests[0])
  const connections = yield* Effect.forEach(all, connectTo)
  const run: Run = { latencies: [], bodyBytes: 0, stopping: false }
  const stop = Effect.andThen(
    Effect.sleep(duration),
    Effect.sync(() => (run.stopping = true))
  )
  const clock = yield* Clock.Clock
  const driven = Effect.forEach(connections, (connection) => drive(connection, run, clock), {
    concurrency: "unbounded",
    discard: true
  })
  yield* Effect.all([driven, stop], { concurrency: 2, discard: true }).pipe(
    Effect.timeoutOrElse({
      duration: Duration.sum(duration, tail),
      orElse: () => Effect.fail(new LoadFailed({ detail: "an answer did not come" }))
    })
  )
  const sorted = Float64Array.from(run.latencies).toSorted()
  return {
    answered: sorted.length,
    bodyBytes: run.bodyBytes,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99)
  }
}, Effect.scoped)
