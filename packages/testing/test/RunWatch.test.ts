import { Api } from "@devops-mcp/contract/Api"
import { generateApiKey } from "@devops-mcp/core/access/ApiKeySecret"
import { showings } from "@devops-mcp/testing/Answers"
import { localhostCertificate } from "@devops-mcp/testing/Certificates"
import { asPeer, listening } from "@devops-mcp/testing/Peers"
import { runProgram } from "@devops-mcp/testing/Program"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { Base64 } from "effect/encoding"
import { OpenApi } from "effect/http-api"
import { createServer, get, type RequestListener } from "node:http"
import { createServer as createTlsServer, request as tlsRequest } from "node:https"
import type { Server } from "node:net"
import { fileURLToPath } from "node:url"
import { WebSocket as WsSocket, WebSocketServer } from "ws"

const newSecret = () => `told-${crypto.randomUUID()}`

/** The watch of this run, which has heard nothing amiss so far, and knows a new secret. */
const watching = Effect.sync(() => {
  const watch = globalThis.runWatch
  assert.isDefined(watch)
  assert.deepStrictEqual(watch.leaks(), [])
  const secret = newSecret()
  watch.guard("it", secret)
  const told = () => watch.leaks().map((leak) => /^(.*?):/.exec(leak)?.[1])
  return { watch, secret, told }
})

const served = Effect.fnUntraced(function* (listener: RequestListener, mark: (server: Server) => Server = (it) => it) {
  return `http://127.0.0.1:${yield* listening(mark(createServer(listener)))}`
})

const ask = (url: string, init: RequestInit = {}) =>
  Effect.promise(() => fetch(url, init).then((answer) => answer.text()))

/** What the first event of a stream says. */
const firstOf = (url: string) =>
  Effect.promise(async () => {
    const answer = await fetch(url)
    const reader = answer.body?.getReader()
    const first = await reader?.read()
    await reader?.cancel()
    return new TextDecoder().decode(first?.value)
  })

const ended = (url: string) =>
  Effect.callback<void>((resume) => {
    get(url, (answer) => answer.resume().on("end", () => resume(Effect.void)))
  })

/** The first message of a WebSocket, for each of the two clients that there are. */
const firstMessage = (url: string, client: typeof WebSocket | typeof WsSocket) =>
  Effect.callback<string>((resume) => {
    const socket = new client(url)
    socket.onmessage = ({ data }: { data: unknown }) => {
      socket.close()
      resume(Effect.succeed(String(data)))
    }
  })

describe("the watch of a whole run", () => {
  it.effect("knows every secret that was made, and hears logs, spans and the console of all tests", () =>
    Effect.gen(function* () {
      const watch = globalThis.runWatch
      assert.isDefined(watch)
      const key = Redacted.value(yield* Effect.provide(generateApiKey, NodeCrypto.layer))
      const password = `password ${Redacted.value(yield* Effect.provide(generateApiKey, NodeCrypto.layer))}`
      Redacted.make({ nested: [new URL(`postgres://u:${encodeURIComponent(password)}@h/d`)] }, { label: "database" })
      assert.deepStrictEqual(watch.leaks(), [])

      yield* Effect.logError("It failed", { cause: new Error(`with ${key}`) })
      yield* Effect.annotateCurrentSpan("credential", Base64.encode(`Bearer ${key}`)).pipe(Effect.withSpan("work"))
      yield* Effect.sync(() => console.error("connecting with", password))
      yield* Effect.sync(() => process.stderr.write(""))
      const leaks = watch.leaks()
      assert.deepStrictEqual(
        leaks.map((leak) => leak.split(":")[0]),
        ["a secret in logs", "a secret in spans", "database in console.error"]
      )
      assert.notInclude(leaks.join(), key)
      assert.deepStrictEqual(watch.leaks(), [])
    })
  )

  it.live("hears what servers answer: in bodies, in headers, in pieces", () =>
    Effect.gen(function* () {
      const { secret, told } = yield* watching
      const url = yield* served((request, response) => {
        if (request.url === "/header") return response.writeHead(200, { "x-told": secret }).end()
        if (request.url === "/set-header") return response.setHeader("x-told", secret).end("…")
        if (request.url === "/bytes") return response.end(Buffer.from(secret))
        response.write(`pieces of ${secret.slice(0, 20)}`)
        return response.end(secret.slice(20))
      })
      for (const path of ["header", "set-header", "bytes", "pieces"]) yield* ask(`${url}/${path}`)
      assert.deepStrictEqual(told(), [
        "it in the headers of the answer to GET /header",
        "it in the headers of the answer to GET /set-header",
        "it in the answer to GET /bytes",
        "it in the answer to GET /pieces"
      ])
    }).pipe(Effect.scoped)
  )

  it.live("hears answers that do not end, and what went through long ones", () =>
    Effect.gen(function* () {
      const { secret, told } = yield* watching
      const padding = ".".repeat(64 * 1024 - 10)
      const url = yield* served((request, response) => {
        response.write(request.url === "/events" ? `data: ${secret}\n\n` : `${padding}${secret.slice(0, 20)}`)
        if (request.url !== "/events") response.end(`${secret.slice(20)}${padding}`)
      })
      assert.include(yield* firstOf(`${url}/events`), secret)
      assert.deepStrictEqual(told(), ["it in the answer to GET /events"])
      yield* ask(`${url}/long`)
      assert.deepStrictEqual(told(), ["it in the answer to GET /long"])
    }).pipe(Effect.scoped)
  )

  it.live("hears answers over TLS", () =>
    Effect.gen(function* () {
      const { secret, told } = yield* watching
      const server = createTlsServer(localhostCertificate, (_, response) => response.end(secret))
      const port = yield* listening(server)
      yield* Effect.callback<void>((resume) => {
        tlsRequest({ port, host: "127.0.0.1", ca: localhostCertificate.cert }, (answer) =>
          answer.resume().on("end", () => resume(Effect.void))
        ).end()
      })
      assert.deepStrictEqual(told(), ["it in the answer to GET /"])
    }).pipe(Effect.scoped)
  )

  it.live("hears what servers say on WebSockets, and their refusals of them", () =>
    Effect.gen(function* () {
      const { secret, told } = yield* watching
      const server = createServer()
      const sockets = new WebSocketServer({ noServer: true })
      server.on("upgrade", (request, socket, head) => {
        if (request.url === "/refused") return socket.end(`HTTP/1.1 401 Unauthorized\r\nx-told: ${secret}\r\n\r\n`)
        return sockets.handleUpgrade(request, socket, head, (client) => client.send(secret))
      })
      const url = `ws://127.0.0.1:${yield* listening(server)}`
      yield* firstMessage(url, WebSocket)
      assert.deepStrictEqual(told(), ["it in a WebSocket's message"])
      yield* Effect.callback<void>((resume) => {
        new WsSocket(`${url}/refused`).on("error", () => resume(Effect.void))
      })
      assert.deepStrictEqual(told(), ["it in an answer to an upgrade"])
    }).pipe(Effect.scoped)
  )

  it.live("knows the credentials that callers send", () =>
    Effect.gen(function* () {
      const { told } = yield* watching
      const url = yield* served((request, response) => response.end(`You are ${request.headers.authorization}`))
      yield* ask(url, { headers: { authorization: `Bearer ${newSecret()}` } })
      assert.deepStrictEqual(told(), ["a credential in the answer to GET /"])
    }).pipe(Effect.scoped)
  )

  it.live("does not hear peers, which are others' servers", () =>
    Effect.gen(function* () {
      const { secret, told } = yield* watching
      const url = yield* served((_, response) => response.end(secret), asPeer)
      yield* ask(url)
      assert.deepStrictEqual(told(), [])
    }).pipe(Effect.scoped)
  )

  it.live("hears what other programs answer, over every client", () =>
    Effect.gen(function* () {
      const { secret, told } = yield* watching
      const file = fileURLToPath(new URL("fixtures/Telltale.ts", import.meta.url))
      const program = yield* runProgram(["serve"], { TOLD: secret }, file)
      const address = `127.0.0.1:${yield* program.line(/listening on (\d+)/)}`
      const url = `http://${address}`
      yield* ask(`${url}/nothing`)
      assert.deepStrictEqual(told(), [])
      yield* ask(`${url}/body`)
      yield* ask(`${url}/header`)
      yield* firstOf(`${url}/events`)
      yield* ended(`${url}/node`)
      yield* firstMessage(`ws://${address}`, WebSocket)
      assert.deepStrictEqual(told(), [
        "it in a program's answer to GET /body",
        "it in the headers of a program's answer to GET /header",
        "it in a program's answer to GET /events",
        "it in a program's answer to GET /node",
        "it in a message of a program's WebSocket"
      ])
      yield* firstMessage(`ws://${address}`, WsSocket)
      assert.deepStrictEqual(told(), ["it in a message of a program's WebSocket"])
      program.child.stdin.write("tell\n")
      yield* program.line(/(told-.*)\n/)
      assert.deepStrictEqual(told(), ["it in standard output of Telltale.ts serve"])
    }).pipe(Effect.scoped)
  )

  it.live("hears what a program says of its environment", () =>
    Effect.gen(function* () {
      const { told } = yield* watching
      const env = { API_KEY: newSecret(), DATABASE_URL: `postgres://u:${encodeURIComponent(`${newSecret()} %`)}@h/d` }
      const text = "console.error('the key is', process.env.API_KEY); console.log(process.env.DATABASE_URL)"
      const program = yield* runProgram(["--eval", text], env, "--no-warnings")
      assert.strictEqual(yield* program.ended, 0)
      assert.sameMembers(told(), [
        "API_KEY in standard error of --no-warnings --eval",
        "DATABASE_URL in standard output of --no-warnings --eval"
      ])
    }).pipe(Effect.scoped)
  )
})

describe("what is shown once", () => {
  const creating = Effect.gen(function* () {
    let answer = { status: 201, headers: {}, body: {} }
    const url = yield* served((_, response) => {
      response.writeHead(answer.status, answer.headers).end(JSON.stringify(answer.body))
    })
    const send = (method: string, path: string, body: object, status = 201, headers: Record<string, string> = {}) => {
      answer = { status, headers, body }
      return ask(`${url}${path}`, { method })
    }
    return send
  })

  it.live("is heard in every other answer, in a second one, and beside what is shown", () =>
    Effect.gen(function* () {
      const { told } = yield* watching
      const send = yield* creating
      const key = newSecret()
      const created = { id: "1", key }
      yield* send("POST", "/api/v1/api-keys", created)
      assert.deepStrictEqual(told(), [])

      const other = { id: "2", key: newSecret() }
      yield* send("POST", "/api/v1/api-keys?x=1", other)
      yield* send("POST", "/api/v1/api-keys", other, 201, { "idempotency-replayed": "true" })
      assert.deepStrictEqual(told(), [])
      yield* send("POST", "/api/v1/api-keys", other)
      yield* send("POST", "/api/v1/api-keys", other)
      assert.deepStrictEqual(told(), ["a shown secret in the answer to POST /api/v1/api-keys"])
      for (const [method, path, status] of [
        ["GET", "/api/v1/api-keys", 200],
        ["POST", "/api/v1/api-keys", 409],
        ["POST", "/api/v1/tools", 201],
        ["GET", "/api/v1/webhooks/1", 200]
      ] as const) {
        yield* send(method, path, { id: "3", key, secret: key }, status)
        assert.deepStrictEqual(new Set(told()), new Set([`a shown secret in the answer to ${method} ${path}`]))
      }
      const hook = { id: "4", secret: newSecret() }
      yield* send("POST", "/api/v1/webhooks", { ...hook, key })
      assert.deepStrictEqual(told(), ["a shown secret in the answer to POST /api/v1/webhooks"])
      yield* send("POST", "/api/v1/webhooks/4/rotate-secret", { ...hook, secret: newSecret() }, 200)
      assert.deepStrictEqual(told(), [])
      yield* send("POST", "/api/v1/webhooks/4/rotate-secret", { ...hook, previous: hook.secret }, 200)
      assert.deepStrictEqual(told(), ["a shown secret in the answer to POST /api/v1/webhooks/4/rotate-secret"])
    }).pipe(Effect.scoped)
  )

  it("is shown by exactly those operations of the contract that have a member for it", () => {
    const Operations = Schema.Record(
      Schema.String,
      Schema.Record(Schema.String, Schema.Struct({ responses: Schema.Record(Schema.String, Schema.Unknown) }))
    )
    const Schemas = Schema.Record(
      Schema.String,
      Schema.Struct({ properties: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)) })
    )
    const document = OpenApi.fromApi(Api)
    const schemas = Schema.decodeUnknownSync(Schemas)(document.components.schemas)
    const shows = Object.entries(Schema.decodeUnknownSync(Operations)(document.paths)).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, { responses }]) =>
        Object.entries(responses).flatMap(([status, response]) => {
          const [, name = ""] = /#\/components\/schemas\/(\w+)/.exec(JSON.stringify(response)) ?? []
          return Object.keys(schemas[name]?.properties ?? {})
            .filter((member) => /^(key|secret|token|password|credentials)$/i.test(member))
            .map((member) => ({ operation: `${method.toUpperCase()} ${path}`, status: Number(status), member }))
        })
      )
    )
    assert.deepStrictEqual(
      shows.toSorted((a, b) => a.operation.localeCompare(b.operation)),
      [...showings]
    )
  })
})
