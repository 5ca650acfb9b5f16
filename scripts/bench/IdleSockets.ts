import { apiClient } from "@devops-mcp/contract/ApiClient"
import { Array, Clock, Effect, FileSystem, Schema, type Scope } from "effect"
import { WebSocket } from "ws"
import { awaitIdle, type Server, type Settings, startServer, usage } from "./Server.ts"

/** WebSockets of one key; a caller has a thousand at most. */
const ofOneKey = 1000

/** WebSockets that are opened at the same time. */
const openedAtOnce = 32

/** Opened before anything is measured, so that the server has run all of the code. */
const warmUp = 100

/** What WebSockets cost that only wait, and what they cost once the client has introduced itself. */
export interface IdleSockets {
  readonly connections: number
  readonly openedPerSecond: number
  readonly residentBytes: number
  readonly bytesEach: number
  readonly bytesEachInitialized: number
}

class NotOpened extends Schema.TaggedError<NotOpened>()("NotOpened", { cause: Schema.Defect() }) {}

const open = ({ url }: Server, key: string): Effect.Effect<WebSocket, NotOpened, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<WebSocket, NotOpened>((resume) => {
      const options = { headers: { authorization: `Bearer ${key}` }, perMessageDeflate: false }
      const socket = new WebSocket(`${url.replace(/^http/, "ws")}/mcp/ws`, ["mcp"], options)
      socket.on("open", () => resume(Effect.succeed(socket)))
      socket.on("error", (cause) => resume(Effect.fail(new NotOpened({ cause }))))
    }),
    (socket) => Effect.sync(() => socket.terminate())
  )

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

const initialize = encodeJson({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1" } }
})

const introduce = (socket: WebSocket) =>
  Effect.callback<void>((resume) => {
    socket.once("message", () => resume(Effect.void))
    socket.send(initialize)
  })

const residentBytes = Effect.fnUntraced(function* (server: Server) {
  yield* awaitIdle(server)
  return (yield* usage(server)).residentBytes
})

/** Opens so many WebSockets on a server of its own, and reads what its memory has grown by. */
export const measureIdleSockets = Effect.fnUntraced(function* (settings: Settings, connections: number) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-bench-" })
  const server = yield* startServer(settings, home)
  const client = yield* apiClient(server.url, settings.key)
  const keys = yield* Effect.forEach(Array.range(1, Math.ceil(connections / ofOneKey)), (number) =>
    client.apiKeys.create({ payload: { name: `bench ${number}`, role: "agent" } })
  )
  const warm = yield* Effect.forEach(Array.range(1, warmUp), () => open(server, settings.key))
  yield* Effect.forEach(warm, introduce, { discard: true })

  const before = yield* residentBytes(server)
  const startedAt = yield* Clock.currentTimeMillis
  const sockets = yield* Effect.forEach(
    Array.range(0, connections - 1),
    (index) => open(server, keys[Math.floor(index / ofOneKey)]?.key ?? settings.key),
    { concurrency: openedAtOnce }
  )
  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  const waiting = yield* residentBytes(server)
  yield* Effect.forEach(sockets, introduce, { concurrency: openedAtOnce, discard: true })
  const after = yield* residentBytes(server)
  return {
    connections,
    openedPerSecond: connections / seconds,
    residentBytes: waiting,
    bytesEach: (waiting - before) / connections,
    bytesEachInitialized: (after - waiting) / connections
  } satisfies IdleSockets
}, Effect.scoped)

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const kibibytes = (bytes: number) => `${whole.format(bytes / 1024)} KiB`

/** The figures as lines for people. */
export const report = (figures: IdleSockets): ReadonlyArray<string> => [
  `${whole.format(figures.connections)} WebSockets, ${whole.format(figures.openedPerSecond)} opened a second`,
  `  resident memory with all of them      ${whole.format(figures.residentBytes / 2 ** 20)} MiB`,
  `  each that only waits                  ${kibibytes(figures.bytesEach)}`,
  `  more for each that is initialized     ${kibibytes(figures.bytesEachInitialized)}`
]
