import { ListenError, serve } from "@devops-mcp/infrastructure/HttpServer"
import { drainTimeout } from "@devops-mcp/resilience/Policies"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it, layer } from "@effect/vitest"
import {
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  type LogLevel,
  References,
  Scope
} from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { connect } from "node:net"

/** A request that waits, and what it waits for. */
class Gate extends Context.Service<
  Gate,
  {
    readonly entered: Deferred.Deferred<void>
    readonly opened: Deferred.Deferred<void>
  }
>()("@devops-mcp/infrastructure/test/HttpServer.test/Gate") {
  static readonly layer = Layer.effect(
    Gate,
    Effect.all({ entered: Deferred.make<void>(), opened: Deferred.make<void>() })
  )
}

const routes = Layer.mergeAll(
  HttpRouter.add("GET", "/things/:id", HttpServerResponse.text("thing")),
  HttpRouter.add("GET", "/die", Effect.die(new Error("secret internals"))),
  HttpRouter.add("GET", "/cached", HttpServerResponse.text("x", { headers: { "cache-control": "max-age=60" } })),
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const { entered, opened } = yield* Gate
      yield* router.add(
        "GET",
        "/wait",
        Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(opened)).pipe(
          Effect.as(HttpServerResponse.text("waited"))
        )
      )
    })
  )
)

interface Line {
  readonly level: LogLevel.LogLevel
  readonly annotations: Readonly<Record<string, unknown>>
}

const logged: Array<Line> = []

const Logs = Layer.mergeAll(
  Logger.layer([
    Logger.make(({ fiber, logLevel }) => {
      logged.push({ level: logLevel, annotations: fiber.getRef(References.CurrentLogAnnotations) })
    })
  ]),
  Layer.succeed(References.MinimumLogLevel, "Debug")
)

const server = (config: Readonly<Record<string, string>> = {}) =>
  HttpServer.layerTestClient.pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(Layer.fresh(serve(routes))),
    Layer.provideMerge(Layer.fresh(Gate.layer)),
    Layer.provide([
      testLimits(),
      NodeCrypto.layer,
      Logs,
      ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0", ...config }))
    ])
  )

const send = (path: string, headers: Readonly<Record<string, string>> = {}, method: "GET" | "OPTIONS" = "GET") =>
  HttpClient.HttpClient.use((client) =>
    Effect.flatMap(client.execute(HttpClientRequest.make(method)(path, { headers })), (response) =>
      Effect.map(response.text, (text) => ({ status: response.status, headers: response.headers, text }))
    )
  ).pipe(Effect.provideService(HttpClient.TracerPropagationEnabled, false))

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

layer(server(), { excludeTestServices: true })("requests", (it) => {
  it.effect.each(["abc", "a.b_c-1", "x".repeat(100)])("keep the id %s that they bring", (id) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("/things/1", { "x-request-id": id })).headers["x-request-id"], id)
    })
  )

  it.effect.each(["", "a b", "x".repeat(101), "<script>", "a\tb"])("get an id of ours instead of %j", (id) =>
    Effect.gen(function* () {
      assert.match((yield* send("/things/1", { "x-request-id": id })).headers["x-request-id"] ?? "", uuidV7)
    })
  )

  it.effect("go on with the caller's trace, and start one without", () =>
    Effect.gen(function* () {
      const trace = "0af7651916cd43dd8448eb211c80319c"
      const joined = yield* send("/things/1", { traceparent: `00-${trace}-b7ad6b7169203331-01` })
      assert.match(joined.headers["traceparent"] ?? "", new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`))
      const own = yield* send("/things/1")
      assert.match(own.headers["traceparent"] ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    })
  )

  it.effect("are answered with security headers, and not cached unless the route says so", () =>
    Effect.gen(function* () {
      const { headers } = yield* send("/things/1")
      assert.containSubset(headers, {
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'"
      })
      assert.strictEqual((yield* send("/cached")).headers["cache-control"], "max-age=60")
    })
  )

  it.effect("are measured by the pattern of their route", () =>
    Effect.gen(function* () {
      yield* Effect.forEach([1, 2, 3], (id) => send(`/things/${id}`))
      yield* send("/nothing/here")
      const metrics = yield* PrometheusMetrics.format()
      const counts = metrics.split("\n").filter((line) => line.startsWith("http_server_request_duration_seconds_count"))
      assert.isTrue(
        counts.some((line) => line.includes(`method="GET",route="/things/:id",status="200"`)),
        metrics
      )
      assert.isTrue(
        counts.some((line) => line.includes(`route="unmatched",status="404"`)),
        metrics
      )
      assert.notMatch(metrics, /things\/1|nothing/)
    })
  )

  it.effect("are one line at debug, and at info when they failed on our side", () =>
    Effect.gen(function* () {
      logged.length = 0
      yield* send("/things/7", { "x-request-id": "seen" })
      yield* send("/die", { "x-request-id": "died" })
      const lines = logged.filter(({ annotations }) => "route" in annotations)
      assert.deepStrictEqual(
        lines.map(({ annotations, level }) => [
          level,
          annotations["requestId"],
          annotations["route"],
          annotations["status"]
        ]),
        [
          ["Debug", "seen", "/things/:id", "200"],
          ["Info", "died", "/die", "500"]
        ]
      )
      assert.strictEqual(logged.filter(({ level }) => level === "Error").length, 1)
    })
  )

  it.effect("learn nothing of a defect", () =>
    Effect.gen(function* () {
      const { headers, status, text } = yield* send("/die")
      assert.strictEqual(status, 500)
      assert.strictEqual(headers["content-type"], "application/problem+json")
      assert.notInclude(text, "secret")
      assert.include(text, headers["x-request-id"] ?? "none")
    })
  )

  it.effect("with more headers than anyone needs are refused", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send("/things/1", { "x-large": "x".repeat(20_000) })).status, 431)
    })
  )

  it.effect("from another origin are not allowed unless one is listed", () =>
    Effect.gen(function* () {
      const { headers } = yield* send("/things/1", { origin: "https://app.example" })
      assert.notProperty(headers, "access-control-allow-origin")
      assert.strictEqual((yield* send("/things/1", { origin: "https://app.example" }, "OPTIONS")).status, 404)
    })
  )
})

layer(server({ CORS_ORIGINS: "https://app.example" }), { excludeTestServices: true })("CORS_ORIGINS", (it) => {
  it.effect("allows the listed origin, also to ask first", () =>
    Effect.gen(function* () {
      const answer = yield* send("/things/1", { origin: "https://app.example" })
      assert.strictEqual(answer.headers["access-control-allow-origin"], "https://app.example")
      assert.notProperty(answer.headers, "access-control-allow-credentials")
      const asked = yield* send("/things/1", { origin: "https://app.example" }, "OPTIONS")
      assert.strictEqual(asked.status, 204)
      assert.include(asked.headers["access-control-allow-methods"], "PATCH")
    })
  )

  it.effect.each(["https://evil.example", "null", "https://app.example.evil"])("does not allow %s", (origin) =>
    Effect.gen(function* () {
      assert.notProperty((yield* send("/things/1", { origin })).headers, "access-control-allow-origin")
      assert.notProperty((yield* send("/things/1", { origin }, "OPTIONS")).headers, "access-control-allow-origin")
    })
  )
})

const portOf = (context: Context.Context<HttpServer.HttpServer>) => {
  const { address } = Context.get(context, HttpServer.HttpServer)
  return address._tag === "UnixPathAddress" ? 0 : address.port
}

describe("serve", () => {
  it.live("says which address it cannot have, and why", () =>
    Effect.gen(function* () {
      const port = portOf(yield* Layer.build(server()))
      const taken = yield* Effect.flip(Effect.scoped(Layer.build(server({ PORT: String(port) }))))
      assert.instanceOf(taken, ListenError)
      assert.strictEqual(taken.message, `Cannot listen on 127.0.0.1:${port}: the port is taken`)
      const elsewhere = yield* Effect.flip(Effect.scoped(Layer.build(server({ HOST: "192.0.2.1" }))))
      assert.strictEqual(elsewhere.message, "Cannot listen on 192.0.2.1:0: the host is not an address of this machine")
    }).pipe(Effect.scoped)
  )

  it.effect.each([
    ["PORT", "http"],
    ["PORT", "70000"]
  ] as const)("refuses %s=%s by its name", ([name, value]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(server({ [name]: value }))))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, String(name))
    })
  )

  it.effect("lets running requests finish, takes no new ones, and then is gone", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(server(), scope)
      const { entered, opened } = Context.get(context, Gate)
      const running = yield* Effect.forkChild(Effect.provideContext(send("/wait"), context))
      yield* Deferred.await(entered)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Effect.yieldNow
      assert.strictEqual((yield* Effect.exit(Effect.provideContext(send("/things/1"), context)))._tag, "Failure")
      yield* Deferred.succeed(opened, undefined)
      assert.containSubset(yield* Fiber.join(running), { status: 200, text: "waited" })
      // Without moving the clock: an idle connection that is kept alive does not hold the end up.
      yield* Fiber.join(closing)
    })
  )

  it.effect("does not wait for a connection that nobody has used yet", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(server(), scope)
      const url = new URL(HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address))
      const ended = yield* Deferred.make<void>()
      yield* Effect.callback<void>((resume) => {
        const socket = connect(Number(url.port), url.hostname, () => resume(Effect.void))
        socket.on("close", () => Deferred.doneUnsafe(ended, Effect.void)).on("error", () => undefined)
      })
      // Once it has answered somebody else, the server has seen that connection, too.
      yield* Effect.provideContext(send("/things/1"), context)
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.await(ended)
    })
  )

  it.effect("gives up on requests after drainTimeout", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(server(), scope)
      const running = yield* Effect.forkChild(Effect.exit(Effect.provideContext(send("/wait"), context)))
      yield* Deferred.await(Context.get(context, Gate).entered)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(drainTimeout)
      yield* Fiber.join(closing)
      const exit = yield* Fiber.join(running)
      assert.isTrue(Exit.isFailure(exit) || exit.value.status === 503)
    })
  )
})
