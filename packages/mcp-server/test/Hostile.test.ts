import { assert, layer } from "@effect/vitest"
import { Change, Changes } from "@devops-mcp/core/changes/Changes"
import { requestBodyTimeout } from "@devops-mcp/resilience/Policies"
import { Effect, Fiber, Queue, Schema } from "effect"
import { TestClock } from "effect/testing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { contexts, keyOf, Observed, principalOf } from "./Fakes.ts"
import { open, type RawRequest, send } from "./RawHttp.ts"
import { Address, bodyLimit, EdgeServer, TestServer } from "./TestServer.ts"

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const accept = { accept: "application/json, text/event-stream" }
const json = { "content-type": "application/json" }
const caller = { ...accept, ...json, authorization: `Bearer ${keyOf("viewer")}` }
const revision = "2026-07-28"
const modern = (method: string, more: Record<string, string> = {}) => ({
  ...caller,
  "mcp-protocol-version": revision,
  "mcp-method": method,
  ...more
})
const session = "0192f0c1-0000-7000-8000-0000000000ff"

const meta = {
  "io.modelcontextprotocol/protocolVersion": revision,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "hostile", version: "1" }
}
const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))
const legacyMessage = (method: string, params: object = {}) => ({ jsonrpc: "2.0", id: 7, method, params })
const message = (method: string, params: object = {}) => legacyMessage(method, { ...params, _meta: meta })

interface Case extends RawRequest {
  readonly path?: string
  readonly expected: readonly [status: number, code: number]
  /** Of the message that is refused. */
  readonly id?: number
}

const list = encodeJson(message("tools/list"))
const call = (name: string) => encodeJson(message("tools/call", { name, arguments: {} }))
const body = (value: unknown) => ({ headers: caller, body: encodeJson(value) })

const unknownVersion: Case = {
  headers: { ...modern("tools/list"), "mcp-protocol-version": "2099-01-01" },
  body: encodeJson(
    legacyMessage("tools/list", { _meta: { ...meta, "io.modelcontextprotocol/protocolVersion": "2099-01-01" } })
  ),
  id: 7,
  expected: [400, -32022]
}

const cases: Readonly<Record<string, Case>> = {
  "malformed JSON": { headers: caller, body: '{"jsonrpc":', expected: [400, -32700] },
  "an empty body": { headers: caller, body: "", expected: [400, -32700] },
  "control characters": { headers: caller, body: "\u0000\uFFFF", expected: [400, -32700] },
  "a string": { ...body("hello"), expected: [400, -32600] },
  null: { ...body(null), expected: [400, -32600] },
  "an object that is no message": { ...body({ hello: "world" }), expected: [400, -32600] },
  "another version of JSON-RPC": { ...body({ jsonrpc: "1.0", id: 7, method: "ping" }), id: 7, expected: [400, -32600] },
  "an id that is an object": { ...body({ jsonrpc: "2.0", id: {}, method: "ping" }), expected: [400, -32600] },
  "an empty batch": { ...body([]), expected: [400, -32600] },
  "a batch with what is no message": { ...body([legacyMessage("ping"), 1]), expected: [400, -32600] },
  "a batch of batches": { ...body([[legacyMessage("ping")]]), expected: [400, -32600] },
  "a batch of both eras": { ...body([legacyMessage("ping"), message("tools/list")]), expected: [400, -32600] },
  "a batch of one id": { ...body([legacyMessage("ping"), legacyMessage("ping")]), expected: [400, -32600] },
  "a batch too long": { ...body(Array.from({ length: 101 }, () => 1)), expected: [400, -32600] },
  "a batch with initialize": { ...body([legacyMessage("initialize")]), expected: [400, -32600] },
  "a batch of a revision without": {
    headers: { ...caller, "mcp-protocol-version": "2025-06-18" },
    body: encodeJson([legacyMessage("ping")]),
    expected: [400, -32600]
  },
  "no Mcp-Method": {
    headers: { ...caller, "mcp-protocol-version": revision },
    body: list,
    id: 7,
    expected: [400, -32020]
  },
  "no MCP-Protocol-Version": {
    headers: { ...caller, "mcp-method": "tools/list" },
    body: list,
    id: 7,
    expected: [400, -32020]
  },
  "another Mcp-Method": { headers: modern("tools/call"), body: list, id: 7, expected: [400, -32020] },
  "another MCP-Protocol-Version": {
    headers: { ...modern("tools/list"), "mcp-protocol-version": "2025-11-25" },
    body: list,
    id: 7,
    expected: [400, -32020]
  },
  "no Mcp-Name": { headers: modern("tools/call"), body: call("context_get"), id: 7, expected: [400, -32020] },
  "another Mcp-Name": {
    headers: modern("tools/call", { "mcp-name": "context_list" }),
    body: call("context_get"),
    id: 7,
    expected: [400, -32020]
  },
  "an Mcp-Name of broken Base64": {
    headers: modern("tools/call", { "mcp-name": "=?base64?%%%?=" }),
    body: call("context_get"),
    id: 7,
    expected: [400, -32020]
  },
  "no _meta": {
    headers: modern("tools/list"),
    body: encodeJson(legacyMessage("tools/list")),
    id: 7,
    expected: [400, -32602]
  },
  "an unknown version": unknownVersion,
  "an unknown older version": {
    headers: { ...caller, "mcp-protocol-version": "1999-01-01" },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [400, -32000]
  },
  "an unknown method": {
    headers: modern("no/such"),
    body: encodeJson(message("no/such")),
    id: 7,
    expected: [404, -32601]
  },
  "initialize since 2026-07-28": {
    headers: modern("initialize"),
    body: encodeJson(message("initialize")),
    id: 7,
    expected: [404, -32601]
  },
  "params of another type": {
    headers: caller,
    body: encodeJson(legacyMessage("resources/subscribe", { uri: 3 })),
    id: 7,
    expected: [200, -32602]
  },
  "params of another type since 2026-07-28": {
    headers: modern("completion/complete"),
    body: encodeJson(message("completion/complete")),
    id: 7,
    expected: [200, -32602]
  },
  "another content type": { headers: { ...caller, "content-type": "text/plain" }, body: list, expected: [415, -32000] },
  "no content type": {
    headers: { ...accept, authorization: caller.authorization },
    body: list,
    expected: [415, -32000]
  },
  "no Accept": {
    headers: { ...json, authorization: caller.authorization },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [406, -32000]
  },
  "an Accept without event streams": {
    headers: { ...caller, accept: "application/json" },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [406, -32000]
  },
  "a large body": { headers: caller, body: "x".repeat(bodyLimit + 1), expected: [413, -32000] },
  "a large body in pieces": {
    headers: caller,
    body: Array.from({ length: 30 }, () => "x".repeat(100)),
    expected: [413, -32000]
  },
  "a large body that never ends": {
    headers: caller,
    body: ["x".repeat(bodyLimit + 1)],
    unfinished: true,
    expected: [413, -32000]
  },
  "deep nesting": { headers: caller, body: "[".repeat(900) + "]".repeat(900), expected: [400, -32000] },
  "another site's Origin": {
    headers: { ...caller, origin: "https://evil.example.com" },
    body: list,
    expected: [403, -32000]
  },
  "an Origin that is none": { headers: { ...caller, origin: "null" }, body: list, expected: [403, -32000] },
  "another Host": { headers: { ...caller, host: "evil.example.com" }, body: list, expected: [403, -32000] },
  "a Host that is none": { headers: { ...caller, host: "local host:@" }, body: list, expected: [403, -32000] },
  "no credential": { headers: { ...accept, ...json }, body: list, expected: [401, -32000] },
  "an unknown credential": {
    headers: { ...caller, authorization: "Bearer dmk_no" },
    body: list,
    expected: [401, -32000]
  },
  "an Authorization that is none": {
    headers: { ...caller, authorization: "Basic ===" },
    body: list,
    expected: [401, -32000]
  },
  "an unknown session": {
    headers: { ...caller, "mcp-session-id": session },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [404, -32001]
  },
  "a session id that is none": {
    headers: { ...caller, "mcp-session-id": "'; drop table mcp_sessions; --" },
    body: encodeJson(legacyMessage("tools/list")),
    expected: [404, -32001]
  },
  "GET without a session": { method: "GET", headers: caller, expected: [400, -32000] },
  "GET of an unknown session": {
    method: "GET",
    headers: { ...caller, "mcp-session-id": session },
    expected: [404, -32001]
  },
  "DELETE of an unknown session": {
    method: "DELETE",
    headers: { ...caller, "mcp-session-id": session },
    expected: [404, -32001]
  },
  "an unknown toolset": { path: "/mcp/x/nothing", headers: caller, body: list, expected: [404, -32000] },
  PUT: { method: "PUT", headers: caller, body: list, expected: [405, -32000] },
  PATCH: { method: "PATCH", headers: caller, body: list, expected: [405, -32000] },
  "GET since 2026-07-28": { method: "GET", headers: modern("tools/list"), expected: [405, -32000] },
  "DELETE since 2026-07-28": { method: "DELETE", headers: modern("tools/list"), expected: [405, -32000] }
}

const Failure = Schema.fromJsonString(
  Schema.Struct({
    jsonrpc: Schema.Literal("2.0"),
    id: Schema.NullOr(Schema.Finite),
    error: Schema.Struct({
      code: Schema.Int,
      message: Schema.String.check(Schema.isMinLength(1)),
      data: Schema.optionalKey(Schema.Unknown)
    })
  })
)
const decodeFailure = Schema.decodeUnknownEffect(Failure)

const request = ({ path = "/mcp", ...raw }: Case) =>
  Effect.flatMap(Address, ({ baseUrl }) => send(`${baseUrl}${path}`, raw))

/** Some with fakes behind them, and some whose params cannot be right by chance. */
const methods = [
  "ping",
  "initialize",
  "tools/list",
  "tools/call",
  "logging/setLevel",
  "prompts/get",
  "completion/complete"
]

const Strange = Schema.Struct({
  isModern: Schema.Boolean,
  id: Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite, Schema.Null])),
  method: Schema.Union([Schema.Literals(methods), Schema.String.check(Schema.isPattern(/^[a-z/]{1,20}$/))]),
  params: Schema.optionalKey(Schema.Union([Schema.JsonObject, Schema.Json]))
})

/** What an answer tells of our insides when nobody has taken care. */
const leaks = /\n +at |node_modules|\.ts:/

/** Answered as expected, in JSON-RPC, and without a word about our insides. */
const refuses = Effect.fnUntraced(function* (hostile: Case) {
  const { headers, status, text } = yield* request(hostile)
  const { error, id } = yield* decodeFailure(text)
  assert.deepStrictEqual([status, error.code], [...hostile.expected], text)
  assert.strictEqual(id, hostile.id ?? null, text)
  assert.include(headers["content-type"], "application/json")
  assert.notMatch(text, leaks)
  return error
})

/** Frees what nobody holds, and says how much is left. */
const heapUsed = Effect.sync(() => {
  collectGarbage()
  return process.memoryUsage().heapUsed
})

const parallel = 2_000
const mebibyte = 2 ** 20

layer(EdgeServer, { excludeTestServices: true })("/mcp refuses", (it) => {
  for (const [name, hostile] of Object.entries(cases)) it.effect(name, () => refuses(hostile))

  it.effect("an unknown version, and says which it knows", () =>
    Effect.gen(function* () {
      const { data } = yield* refuses(unknownVersion)
      assert.deepStrictEqual(data, { supported: [revision], requested: "2099-01-01" })
    })
  )

  it.effect("addresses that are none", () =>
    Effect.gen(function* () {
      for (const path of ["/mcp/nothing", "/mcp/x", "/mcp/x/git/nothing", "/mcp/../../etc/passwd", "//mcp", "/%"]) {
        const { status, text } = yield* request({ path, headers: caller, body: list, expected: [404, 0] })
        assert.strictEqual(status, 404, path)
        assert.notMatch(text, leaks)
      }
    })
  )

  it.effect("headers that are too long", () =>
    Effect.gen(function* () {
      const headers = { ...caller, "mcp-name": "x".repeat(17 * 1024) }
      const { status } = yield* request({ headers, body: list, expected: [431, 0] })
      assert.strictEqual(status, 431)
    })
  )

  it.effect.prop(
    "nothing with an error of ours, whatever a message has in it",
    { strange: Strange },
    ({ strange: { id, isModern, method, params } }) =>
      Effect.gen(function* () {
        const isRecord = typeof params === "object" && params !== null && !Array.isArray(params)
        const sent = isModern && isRecord ? { ...params, _meta: meta } : params
        const raw = {
          headers: isModern ? modern(method) : caller,
          body: encodeJson({ jsonrpc: "2.0", method, id, params: sent })
        }
        const { status, text } = yield* request({ ...raw, expected: [0, 0] })
        assert.include([200, 202, 400, 404, 413], status, text)
        assert.notMatch(text, leaks)
        assert.notInclude(text, "-32603")
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect("any number of bad requests at once, and keeps nothing of them", () =>
    Effect.gen(function* () {
      const all = Object.values(cases)
      const volley = (count: number) =>
        Effect.forEach(
          Array.from({ length: count }, (_, index) => all[index % all.length] ?? unknownVersion),
          (hostile) => Effect.map(request(hostile), ({ status }) => assert.strictEqual(status, hostile.expected[0])),
          { concurrency: 200, discard: true }
        )
      yield* volley(500)
      const before = yield* heapUsed
      yield* volley(parallel)
      assert.isBelow((yield* heapUsed) - before, 16 * mebibyte)
    })
  )
})

const news = "notifications/resources/updated"

/** Counts news in a stream's pieces, which end anywhere. */
const makeCounter = () => {
  let rest = ""
  return (text: string) => {
    const frames = (rest + text).split("\n\n")
    rest = frames.pop() ?? ""
    return frames.filter((frame) => frame.includes(news)).length
  }
}

layer(EdgeServer, { excludeTestServices: true })("/mcp and clients that hang", (it) => {
  for (const [era, headers] of [
    ["2026-07-28", modern("tools/call", { "mcp-name": "context_get" })],
    ["2025", caller]
  ] as const) {
    it.effect(`a call of ${era} is interrupted when its client's connection breaks`, () =>
      Effect.gen(function* () {
        const { hanging, interrupted } = yield* Observed
        const params = { name: "context_get", arguments: { contextId: contexts.hangingContext } }
        const body = encodeJson(era === "2025" ? legacyMessage("tools/call", params) : message("tools/call", params))
        const call = yield* Effect.forkChild(request({ headers, body, expected: [200, 0] }))
        yield* Queue.take(hanging)
        yield* Fiber.interrupt(call)
        yield* Queue.take(interrupted)
      })
    )
  }

  it.effect("a listener that never reads is dropped before its news fill the memory, and others hear all of it", () =>
    Effect.gen(function* () {
      const { announce } = yield* Changes
      const { url } = yield* Address
      const { tenantId } = principalOf("viewer")
      const uri = `context://${"x".repeat(1_300)}`
      const listen = {
        url,
        headers: modern("subscriptions/listen"),
        body: encodeJson(message("subscriptions/listen", { notifications: { resourceSubscriptions: [uri] } }))
      }
      const stuck = yield* open(listen)
      assert.strictEqual(stuck.status, 200)
      const heard = yield* Effect.flatMap(open(listen), ({ read }) => read)
      const count = makeCounter()
      // More than a connection's buffers take, and never more at once than a client that reads may be behind.
      const [rounds, perRound] = [200, 50]
      for (let round = 1; round <= rounds; round++) {
        for (let index = 0; index < perRound; index++) {
          yield* announce(Change.cases.ResourceUpdated.make({ tenantId, uri }))
        }
        let left = perRound
        while (left > 0) left -= count(yield* Queue.take(heard))
      }
      const texts = yield* Queue.collect(yield* stuck.read)
      const read = makeCounter()(texts.join(""))
      assert.isBelow(read, rounds * perRound)
      assert.isAbove(read, 0)
    })
  )
})

layer(TestServer)("/mcp on a clock of our own", (it) => {
  it.effect("answers who does not send the rest of a body that it waited for it", () =>
    Effect.gen(function* () {
      const answered = yield* Effect.forkChild(
        request({ headers: caller, body: ["{"], unfinished: true, expected: [408, 0] })
      )
      // Nobody tells when the server has begun to wait, so time passes until it has.
      const time = TestClock.withLive(Effect.yieldNow).pipe(
        Effect.andThen(TestClock.adjust(requestBodyTimeout)),
        Effect.forever
      )
      const { status, text } = yield* Effect.raceFirst(Fiber.join(answered), time)
      assert.strictEqual(status, 408)
      assert.strictEqual((yield* decodeFailure(text)).error.code, -32000)
    })
  )
})
