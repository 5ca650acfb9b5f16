import { Clock, Effect, Exit, Option, Schema, Semaphore } from "effect"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as ask } from "node:http"
import type { Socket } from "node:net"
import { listening } from "./Peers.ts"

/** As much of a request to SQS as says which queue it changes, and how long it waits for messages. */
const Body = Schema.fromJsonString(
  Schema.StructWithRest(
    Schema.Struct({
      QueueUrl: Schema.optionalKey(Schema.String),
      WaitTimeSeconds: Schema.optionalKey(Schema.Finite),
      Entries: Schema.optionalKey(Schema.Array(Schema.Json))
    }),
    [Schema.Record(Schema.String, Schema.Json)]
  )
)
const decodeBody = Schema.decodeUnknownOption(Body)
const encodeBody = Schema.encodeSync(Body)

const Answered = Schema.fromJsonString(
  Schema.Struct({ Messages: Schema.optionalKey(Schema.NonEmptyArray(Schema.Json)) })
)
const decodeAnswered = Schema.decodeUnknownOption(Answered)

const changesMessages = /^AmazonSQS\.(Send|Delete|Change)Message/

/** What is asked again although nothing has changed the queue: for messages whose visibility ends. */
const lookEvery = "1 second"

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const read = (message: IncomingMessage) =>
  Effect.callback<Buffer>((resume) => {
    const chunks: Array<Buffer> = []
    message.on("data", (chunk: Buffer) => chunks.push(chunk))
    message.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
  })

/** Who waits for messages of one queue, how often it was changed, and how many may be there that nobody was told of. */
interface Line {
  readonly waiting: Array<() => void>
  changes: number
  news: number
}

const changed = (line: Line, messages: number) => {
  line.changes++
  line.news += messages
  for (const wake of line.waiting.splice(0, line.news)) {
    line.news--
    wake()
  }
}

const turnIn = ({ waiting }: Line) =>
  Effect.callback<void>((resume) => {
    const wake = () => resume(Effect.void)
    waiting.push(wake)
    return Effect.sync(() => {
      const at = waiting.indexOf(wake)
      if (at >= 0) waiting.splice(at, 1)
    })
  })

const isEmpty = ({ body, status }: Answer) =>
  status === 200 && Option.exists(decodeAnswered(body.toString()), ({ Messages }) => Messages === undefined)

/**
 * A server in front of moto, the emulator of AWS, that makes of it what Amazon SQS is. moto 5.1 serves each request on a
 * thread of its own and does not keep the threads apart:
 * - `Queue.delete_message` replaces the list of messages by a copy without the removed one, so a message that another
 *   request sends meanwhile is lost, though it was acknowledged. SQS keeps what it has acknowledged.
 * - `SQSBackend.receive_message` looks up once, at its beginning, which groups of a FIFO queue are in flight, and sees no
 *   change of that while it waits: it gives a message of a group that another request has got meanwhile. Two requests at
 *   once do the same without waiting. SQS gives nothing of a group while a message of it is in flight.
 * - While it waits and messages are there that it must not give, it does not sleep, and takes all of the processor.
 * Hence one request at a time reaches moto, and one that waits for messages is asked again, without waiting, whenever
 * something has changed its queue. Who hangs up while he waits takes no message along; who does while moto answers does,
 * as with SQS. Everything else is moto's own: order, visibility, receptions, deduplication.
 */
export const makeSqsFront = Effect.fnUntraced(function* (moto: string) {
  const { hostname: host, port: motoPort } = new URL(moto)
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const oneAtATime = yield* Semaphore.make(1)
  const sockets = new Set<Socket>()
  const lines = new Map<string, Line>()
  let isCut = false

  const lineOf = (queue: string) => {
    const line = lines.get(queue) ?? { waiting: [], changes: 0, news: 0 }
    lines.set(queue, line)
    return line
  }

  /** None where moto does not answer. */
  const forward = ({ headers, method, url: path }: IncomingMessage, body: Buffer) =>
    Effect.callback<Option.Option<Answer>>((resume) => {
      const outgoing = ask(
        {
          host,
          port: motoPort,
          path,
          method,
          headers: { ...headers, "content-length": body.length, connection: "close" }
        },
        (incoming) => {
          const { headers: answered, statusCode: status = 502 } = incoming
          incoming.on("error", () => resume(Effect.succeedNone))
          resume(Effect.map(read(incoming), (bytes) => Option.some({ status, headers: answered, body: bytes })))
        }
      )
      outgoing.on("error", () => resume(Effect.succeedNone)).end(body)
    }).pipe(Effect.uninterruptible, oneAtATime.withPermit)

  /** Asks until there is a message or the time is over. */
  const poll = Effect.fnUntraced(function* (
    incoming: IncomingMessage,
    { WaitTimeSeconds: wait = 0, ...body }: typeof Body.Type,
    line: Line
  ) {
    const over = (yield* Clock.currentTimeMillis) + wait * 1000
    const asking = Buffer.from(encodeBody({ ...body, WaitTimeSeconds: 0 }))
    while (true) {
      const { changes } = line
      const answer = yield* forward(incoming, asking)
      if (!Option.exists(answer, isEmpty) || (yield* Clock.currentTimeMillis) >= over) return answer
      // What has changed while moto looked may have come too late for this answer.
      if (line.changes === changes) line.news = 0
      if (line.news > 0) line.news--
      else yield* Effect.raceFirst(turnIn(line), Effect.sleep(lookEvery))
    }
  })

  const answerTo = Effect.fnUntraced(function* (incoming: IncomingMessage) {
    const bytes = yield* read(incoming)
    const operation = String(incoming.headers["x-amz-target"])
    const body = operation.startsWith("AmazonSQS.") ? decodeBody(bytes.toString()) : Option.none()
    if (Option.isNone(body) || body.value.QueueUrl === undefined) return yield* forward(incoming, bytes)
    const line = lineOf(body.value.QueueUrl)
    if (operation === "AmazonSQS.ReceiveMessage") return yield* poll(incoming, body.value, line)
    const answer = yield* forward(incoming, bytes)
    // One that is removed makes way for the next of its group.
    if (changesMessages.test(operation)) changed(line, body.value.Entries?.length ?? 1)
    return answer
  })

  const server = createServer((incoming, response) => {
    const answering = run(answerTo(incoming))
    response.on("close", () => answering.interruptUnsafe())
    answering.addObserver((exit) => {
      if (!Exit.isSuccess(exit) || Option.isNone(exit.value) || isCut) return incoming.socket.destroy()
      const { body, headers, status } = exit.value.value
      const { connection: _connection, "transfer-encoding": _encoding, ...kept } = headers
      return response.writeHead(status, { ...kept, "content-length": body.length }).end(body)
    })
  })
  server.keepAliveTimeout = 0
  server.on("connection", (socket: Socket) => {
    if (isCut) return socket.destroy()
    sockets.add(socket)
    return socket.on("close", () => sockets.delete(socket))
  })
  const port = yield* listening(server)
  return {
    url: `http://127.0.0.1:${port}`,
    /** From now on nobody gets through, and who is on the line loses the connection; what moto is just doing it does. */
    cut: Effect.sync(() => {
      isCut = true
      for (const socket of sockets) socket.destroy()
    }),
    mend: Effect.sync(() => {
      isCut = false
    })
  }
})
