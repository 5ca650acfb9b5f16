import * as Client from "@devops-mcp/database/Client"
import { databaseUrl } from "@devops-mcp/database/Settings"
import { listening } from "@devops-mcp/testing/Peers"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Deferred, Effect, Fiber, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { createServer, type Socket } from "node:net"

const password = "s3cret"

/** A server of the test's own on a free port. */
const listen = Effect.fnUntraced(function* (onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    onConnection(socket)
  })
  const port = yield* listening(server)
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  return port
})

const connect = (url: string) =>
  Effect.scoped(Effect.provide(Effect.asVoid(SqlClient.SqlClient), Client.server(Redacted.make(url))))

/** The sentence that a user sees; the password is nowhere in the failure. */
const refusal = (url: string) =>
  Effect.map(Effect.flip(Effect.sandbox(connect(url))), (cause) => {
    assert.notInclude(JSON.stringify(cause) + Cause.pretty(cause), password)
    const error = Option.getOrUndefined(Cause.findErrorOption(cause))
    assert.notInclude(error?.message ?? "", "\n")
    return error?.message ?? Cause.pretty(cause)
  })

const unreachable = (address: string, detail: string) =>
  `The database at ${address} cannot be reached (${detail}): check DATABASE_URL and that the server runs`

/** One message of a server: its type and its body. */
const message = (type: string, body: Buffer | string = "") => {
  const bytes = Buffer.from(body)
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

const welcome = Buffer.concat([message("R", Buffer.alloc(4)), message("K", Buffer.alloc(8, 1)), message("Z", "I")])

describe("a client of a server", () => {
  it.effect("says in one sentence that nobody, or nobody who speaks PostgreSQL, is there", () =>
    Effect.gen(function* () {
      const free = yield* Effect.scoped(listen(() => {}))
      const http = yield* listen((socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")))
      const closing = yield* listen((socket) => socket.destroy())
      const of = (host: string) => refusal(`postgres://ada:${password}@${host}/db`)
      const refused = `connect ECONNREFUSED 127.0.0.1:${free}`
      assert.strictEqual(yield* of(`127.0.0.1:${free}`), unreachable(`127.0.0.1:${free}/db`, refused))
      assert.match(
        yield* of(`localhost:${free}`),
        new RegExp(`at localhost:${free}/db cannot be reached \\(connect ECONNREFUSED [^)]+\\)`)
      )
      assert.strictEqual(
        yield* of(`127.0.0.1:${http}`),
        unreachable(`127.0.0.1:${http}/db`, "what answers there is not PostgreSQL")
      )
      assert.match(
        yield* of(`127.0.0.1:${closing}`),
        /cannot be reached \((Connection closed unexpectedly|read ECONNRESET)\)/
      )
    })
  )

  it.effect.each([
    ["before it greets", undefined],
    ["after it greeted", welcome]
  ])("gives up after 5 seconds on a server that says nothing %s", ([, greeting]) =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      let greeted: Socket | undefined
      const port = yield* listen((socket) => {
        socket.once("data", () => {
          // The second connection asks to cancel what the first one waits for.
          if (greeted !== undefined) {
            greeted.destroy()
            return socket.destroy()
          }
          if (greeting === undefined) return Deferred.doneUnsafe(asked, Effect.void)
          greeted = socket
          socket.write(greeting)
          socket.once("data", () => Deferred.doneUnsafe(asked, Effect.void))
        })
      })
      const refused = yield* Effect.forkChild(refusal(`postgres://ada:${password}@127.0.0.1:${port}/db`))
      yield* TestClock.withLive(Deferred.await(asked))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(refused), unreachable(`127.0.0.1:${port}/db`, "Connection timed out"))
    })
  )

  it.effect.each([
    `ada:${password}@127.0.0.1/db`,
    `mysql://ada:${password}@127.0.0.1/db`,
    `postgres://localhost:1/${password}@127.0.0.1/db`,
    `postgres://ada:${password}%zz@127.0.0.1:1/db`,
    `postgres//ada:${password}@127.0.0.1/db`,
    `postgres://ada:${password}@[::1/db`,
    `postgres://ada:${password}@127.0.0.1:99999/db`,
    `postgres://ada:${password}@127.0.0.1:1/db?sslmode=maybe`,
    `127.0.0.1 password=${password}`
  ])("does not show the password of a URL it cannot use: %s", (url) =>
    Effect.gen(function* () {
      assert.match(yield* refusal(url), /^The database at \S+ cannot be reached \([^\n]+\): check DATABASE_URL/)
    })
  )

  it.effect.each([
    [{ version: 14, vector: "0.8.0" }, undefined],
    [{ version: 18, vector: "0.10.1" }, undefined],
    [{ version: 13, vector: "0.8.0" }, "it is PostgreSQL 13, and 14 or newer is needed"],
    [{ version: 9, vector: null }, "it is PostgreSQL 9, and 14 or newer is needed"],
    [{ version: 17, vector: null }, "the extension pgvector is not installed on its server"],
    [{ version: 17, vector: "0.7.4" }, "its pgvector is 0.7.4, and 0.8.0 or newer is needed"]
  ] as const)("knows which servers lack something: %j", ([facts, shortcoming]) =>
    Effect.sync(() => assert.strictEqual(Client.shortcomingOf(facts), shortcoming))
  )
})

describe("DATABASE_URL", () => {
  const read = (value: string | undefined) =>
    databaseUrl.parse(ConfigProvider.fromUnknown(value === undefined ? {} : { DATABASE_URL: value }))

  it.effect("may be absent or empty, and is secret", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* read(undefined)))
      assert.isTrue(Option.isNone(yield* read("")))
      const url = Option.getOrThrow(yield* read(`postgresql://ada:${password}@h/db`))
      assert.strictEqual(Redacted.value(url), `postgresql://ada:${password}@h/db`)
      assert.notInclude(String(url) + JSON.stringify(url), password)
    })
  )

  it.effect.each([`mysql://ada:${password}@h/db`, `ada:${password}@h/db`, `postgres://ada:${password}@[`, password])(
    "is refused without being shown: %j",
    (value) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read(value))
        assert.include(String(error.cause), "a URL that begins with postgres:// or postgresql://")
        assert.notInclude(String(error.cause) + error.message, password)
      })
  )
})

const serverUrl = Effect.runSync(databaseUrl)

describe.skipIf(Option.isNone(serverUrl))("a client of the real server", () => {
  it.live("says which database or user is not there, and connects where there are both", () =>
    Effect.gen(function* () {
      const url = new URL(Redacted.value(Option.getOrThrow(serverUrl)))
      yield* connect(url.href)
      const address = `${url.hostname}:${url.port || "5432"}`
      url.password = password
      url.pathname = "/devops_mcp_no_such_database"
      assert.strictEqual(
        yield* refusal(url.href),
        unreachable(`${address}/devops_mcp_no_such_database`, 'database "devops_mcp_no_such_database" does not exist')
      )
      url.username = "devops_mcp_no_such_user"
      assert.include(yield* refusal(url.href), "devops_mcp_no_such_user")
    })
  )
})
