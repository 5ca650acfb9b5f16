import * as Logging from "@devops-mcp/observability/Logging"
import { redactSecrets } from "@devops-mcp/observability/Redaction"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Console, Effect, Layer, Redacted, Schema, Stdio } from "effect"

/** What a program writes to standard error and to standard output. */
const capture = <A, E>(program: Effect.Effect<A, E>, env: Readonly<Record<string, string>>, terminal = false) =>
  Effect.gen(function* () {
    const [errors, output]: [Array<string>, Array<string>] = [[], []]
    const into =
      (lines: Array<string>) =>
      (...args: ReadonlyArray<unknown>) =>
        void lines.push(args.join(" "))
    const current = yield* Console.Console
    const console = { ...current, error: into(errors), log: into(output), info: into(output), debug: into(output) }
    yield* program.pipe(
      Effect.provide(
        Logging.layer.pipe(
          Layer.provide(Stdio.layerTest({ stderrIsTerminal: Effect.succeed(terminal) })),
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
        )
      ),
      Effect.provideService(Console.Console, console)
    )
    return { errors, output }
  })

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

const secrets = [
  "dmk_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
  "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
  "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
  "glpat-abcdefghij0123456789",
  "xoxb-123456789012-abcdefghijkl",
  "sk-proj-abcdefghijklmnopqrstuv",
  "AKIAIOSFODNN7EXAMPLE",
  "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
  "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"
]

describe("redaction", () => {
  it.each(secrets)("hides %s in any text", (secret) => {
    const shown = redactSecrets(`before ${secret} after`)
    assert.notInclude(shown, secret.slice(10))
    assert.match(shown, /^before <redacted> after$/)
  })

  it.each([
    ["Authorization: Bearer abcdef0123456789", "abcdef0123456789"],
    ["postgres://app:hunter2@db:5432/main", "hunter2"],
    ["redis://:hunter2@cache", "hunter2"],
    ["?api_key=hunter2&x=1", "hunter2"],
    ['{"password":"hunter2"}', "hunter2"],
    ["client_secret = 'hunter2'", "hunter2"]
  ])("hides the secret of %s", (text, secret) => {
    const shown = redactSecrets(text)
    assert.notInclude(shown, secret)
    assert.include(shown, "<redacted>")
  })

  it.each([
    "tokenCount 12 of 100 tokens",
    "https://example.com:8080/a@b",
    "a basic idea",
    "sk-short",
    "git log main..HEAD"
  ])("leaves %s alone", (text) => assert.strictEqual(redactSecrets(text), text))

  it("takes time in proportion to a long text", () => {
    const text = "a://".repeat(50_000) + "password=".repeat(20_000)
    assert.isAbove(redactSecrets(text).length, 100_000)
  }, 5_000)
})

describe("Logging", () => {
  it.effect("writes one JSON object a line to standard error, with annotations and the trace", () =>
    Effect.gen(function* () {
      const program = Effect.logInfo("hello", { size: 3 }).pipe(
        Effect.annotateLogs({ requestId: "r-1" }),
        Effect.withSpan("work")
      )
      const { errors, output } = yield* capture(program, { LOG_FORMAT: "json" })
      assert.deepStrictEqual(output, [])
      assert.strictEqual(errors.length, 1)
      const line = decode(errors[0])
      assert.containSubset(line, { level: "INFO", message: ["hello", { size: 3 }], requestId: "r-1" })
      assert.match(String(line["traceId"]), /^[0-9a-f]{32}$/)
      assert.strictEqual(line["timestamp"], "1970-01-01T00:00:00.000Z")
    })
  )

  it.effect.each(["json", "pretty"])("never shows a secret as %s", (format) =>
    Effect.gen(function* () {
      const secret = "dmk_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
      const program = Effect.logError(
        `key ${secret}`,
        { password: "hunter2", nested: [{ authorization: "Basic hunter2" }], redacted: Redacted.make("hunter2") },
        Cause.die(new Error(`Could not use ${secret} at postgres://app:hunter2@db`))
      ).pipe(Effect.annotateLogs({ apiKey: "hunter2", redacted: Redacted.make("hunter2") }))
      const { errors } = yield* capture(program, { LOG_FORMAT: format })
      const shown = errors.join("\n")
      assert.notMatch(shown, /hunter2|AbCdEf/)
      assert.include(shown, "Could not use <redacted>")
      assert.include(shown, "key <redacted>")
    })
  )

  it.effect("is pretty on a terminal, JSON elsewhere, unless told", () =>
    Effect.gen(function* () {
      const hello = Effect.logInfo("hello").pipe(Effect.annotateLogs({ requestId: "r-1" }))
      assert.deepStrictEqual((yield* capture(hello, {}, true)).errors, ["00:00:00.000 INFO  hello requestId=r-1"])
      assert.match((yield* capture(hello, {}, false)).errors[0] ?? "", /^\{/)
      assert.match((yield* capture(hello, { LOG_FORMAT: "json" }, true)).errors[0] ?? "", /^\{/)
      assert.notMatch((yield* capture(hello, { LOG_FORMAT: "pretty" }, false)).errors[0] ?? "", /^\{/)
    })
  )

  it.effect("writes from LOG_LEVEL on, info when absent", () =>
    Effect.gen(function* () {
      const all = Effect.all([Effect.logDebug("d"), Effect.logInfo("i"), Effect.logWarning("w")])
      assert.strictEqual((yield* capture(all, {})).errors.length, 2)
      assert.strictEqual((yield* capture(all, { LOG_LEVEL: "debug" })).errors.length, 3)
      assert.strictEqual((yield* capture(all, { LOG_LEVEL: "warn" })).errors.length, 1)
      assert.strictEqual((yield* capture(all, { LOG_LEVEL: "none" })).errors.length, 0)
    })
  )

  it.effect.each([
    ["LOG_LEVEL", "loud"],
    ["LOG_FORMAT", "xml"]
  ] as const)("refuses %s=%s by its name, hiding the value", ([name, value]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(capture(Effect.void, { [name]: value }))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, name)
      assert.notInclude(error.message, value)
    })
  )
})
