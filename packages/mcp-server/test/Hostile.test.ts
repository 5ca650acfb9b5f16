import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { cases, list, unknownVersion } from "./HostileCases.ts"
import { caller, type Case, decodeFailure, encodeJson, meta, modern, request, revision } from "./HostileFixtures.ts"
import { EdgeServer } from "./TestServer.ts"

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

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
