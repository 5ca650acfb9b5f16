import { Authorization, Caller, Requires } from "@devops-mcp/contract/Authorization"
import { CommonProblems } from "@devops-mcp/contract/Problems"
import { Validation } from "@devops-mcp/contract/Validation"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Audit } from "@devops-mcp/core/audit/Audit"
import type { LimitSettings } from "@devops-mcp/core/limits/Limits"
import { scopesOf } from "@devops-mcp/core/Policy"
import { Unauthenticated } from "@devops-mcp/domain/Errors"
import { TenantId } from "@devops-mcp/domain/Ids"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import {
  apiRequestTimeout,
  requestBodyTimeout,
  wrongCredentialsOfAddress,
  wrongUsesOfCredential
} from "@devops-mcp/resilience/Policies"
import { AuditSilent } from "@devops-mcp/testing/AuditSilent"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Deferred, Effect, Fiber, Layer, Queue, Redacted, References, Schema } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { connect } from "node:net"
import { AuthorizationLive } from "../src/Authorization.ts"
import { ValidationLive } from "../src/Validation.ts"
import { tokenOf } from "./Fakes.ts"
import { send } from "./TestServer.ts"

const error = CommonProblems
const success = Schema.String

class LimitedApi extends HttpApi.make("limited")
  .add(
    HttpApiGroup.make("routes")
      .add(
        HttpApiEndpoint.get("me", "/me", { success, error }).annotate(Requires, "any"),
        HttpApiEndpoint.get("wait", "/wait", { success, error }).annotate(Requires, "any"),
        HttpApiEndpoint.post("echo", "/echo", { payload: Schema.Struct({ text: success }), success, error }).annotate(
          Requires,
          "any"
        )
      )
      .middleware(Authorization)
  )
  .middleware(Validation) {}

/** Requests that wait, each until it is let go. */
class Waiting extends Context.Service<Waiting, Queue.Queue<Deferred.Deferred<void>>>()(
  "@devops-mcp/http-api/test/Limits.test/Waiting"
) {
  static readonly layer = Layer.effect(Waiting, Queue.unbounded<Deferred.Deferred<void>>())
}

const Handlers = HttpApiBuilder.group(
  LimitedApi,
  "routes",
  Effect.fnUntraced(function* (handlers) {
    const waiting = yield* Waiting
    return handlers.handleAll({
      me: () => Effect.map(Caller, ({ name }) => name),
      wait: () =>
        Effect.gen(function* () {
          const released = yield* Deferred.make<void>()
          yield* Queue.offer(waiting, released)
          yield* Deferred.await(released)
          return "waited"
        }),
      echo: ({ payload }) => Effect.succeed(payload.text)
    })
  })
)

const tenantOf = (number: number) => TenantId.make(`01980000-0000-7000-8000-00000000000${number}`)

/** The token of `TENANT-NAME` is good. */
const AuthenticationFake = Layer.succeed(Authentication, {
  authenticate: (credential) => {
    const [, tenant, name] = /^the-token-of-([12])-([a-z]+)$/.exec(Redacted.value(credential)) ?? []
    if (tenant === undefined || name === undefined) {
      return Effect.fail(new Unauthenticated({ detail: "The API key is not valid" }))
    }
    const scopes = scopesOf("agent")
    return Effect.succeed({
      tenantId: tenantOf(Number(tenant)),
      credential: "api_key" as const,
      actor: name,
      name,
      role: "agent" as const,
      scopes
    })
  }
})

const server = (
  limits: Partial<LimitSettings>,
  config: Readonly<Record<string, string>> = {},
  audit: Layer.Layer<Audit> = AuditSilent
) =>
  HttpServer.layerTestClient.pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(
      Layer.fresh(
        serve(
          HttpApiBuilder.layer(LimitedApi).pipe(
            Layer.provide(Handlers),
            Layer.provide([AuthorizationLive, ValidationLive])
          )
        )
      )
    ),
    Layer.provideMerge(Layer.fresh(Waiting.layer)),
    Layer.provide([
      AuthenticationFake,
      AuditSilent,
      testLimits(limits, audit),
      NodeCrypto.layer,
      Layer.succeed(References.MinimumLogLevel, "None"),
      ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0", ...config }))
    ])
  )

describe("limits of the HTTP API", () => {
  it.effect("are shown in every answer to a caller, and refuse one request too many until there is room", () =>
    Effect.gen(function* () {
      for (const remaining of ["2", "1", "0"]) {
        const { headers, status } = yield* send("GET", remaining === "1" ? "/me?x=1" : "/me", { key: "1-ada" })
        assert.strictEqual(status, 200)
        assert.containSubset(headers, { "ratelimit-limit": "3", "ratelimit-remaining": remaining })
      }
      const { headers, json, status } = yield* send("GET", "/me", { key: "1-ada" })
      assert.strictEqual(status, 429)
      assert.containSubset(headers, {
        "content-type": "application/problem+json",
        "retry-after": "20",
        "ratelimit-limit": "3",
        "ratelimit-remaining": "0",
        "ratelimit-reset": "60"
      })
      assert.containSubset(json, {
        type: "urn:devops-mcp:problem:too-many-requests",
        status: 429,
        code: "too-many-requests",
        limit: "credential",
        requestId: headers["x-request-id"]
      })
      assert.include(yield* PrometheusMetrics.format(), 'rate_limit_rejections_total{limit="credential"} 1')
      assert.strictEqual((yield* send("GET", "/me", { key: "1-bob" })).status, 200)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* send("GET", "/me", { key: "1-ada" })).status, 200)
    }).pipe(Effect.provide(server({ perCredential: 3 })))
  )

  it.effect("hold for all credentials of a tenant together, and for no other tenant", () =>
    Effect.gen(function* () {
      for (const name of ["ada", "bob", "eve"]) {
        assert.strictEqual((yield* send("GET", "/me", { key: `1-${name}` })).status, 200)
      }
      const refused = yield* send("GET", "/me", { key: "1-zoe" })
      assert.strictEqual(refused.status, 429)
      assert.containSubset(refused.json, { limit: "tenant" })
      assert.strictEqual((yield* send("GET", "/me", { key: "2-ada" })).status, 200)
    }).pipe(Effect.provide(server({ perTenant: 3 })))
  )

  it.effect("keep a tenant from having too many requests running, but not others", () =>
    Effect.gen(function* () {
      const waiting = yield* Waiting
      const running = yield* Effect.forEach([1, 2], () => Effect.forkChild(send("GET", "/wait", { key: "1-ada" })))
      const held = yield* Queue.takeN(waiting, 2)
      const refused = yield* send("GET", "/me", { key: "1-bob" })
      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.headers["retry-after"], "1")
      assert.strictEqual(refused.headers["ratelimit-limit"], "1000000000", "of the rate, which is not used up")
      assert.containSubset(refused.json, { limit: "concurrency" })
      assert.strictEqual((yield* send("GET", "/me", { key: "2-ada" })).status, 200)
      for (const one of held) yield* Deferred.succeed(one, undefined)
      for (const fiber of running) assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      assert.strictEqual((yield* send("GET", "/me", { key: "1-bob" })).status, 200)
    }).pipe(Effect.provide(server({ tenantConcurrency: 2 })))
  )

  it.effect("end a request that takes too long", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(send("GET", "/wait", { key: "1-ada" }))
      yield* Queue.take(yield* Waiting)
      yield* TestClock.adjust(apiRequestTimeout)
      const { json, status } = yield* Fiber.join(running)
      assert.strictEqual(status, 504)
      assert.containSubset(json, { code: "timeout" })
    }).pipe(Effect.provide(server({})))
  )
})

const proxied = { TRUSTED_PROXIES: "127.0.0.1" }
const from = (address: string) => ({ headers: { "x-forwarded-for": address } })

describe("wrong credentials", () => {
  it.effect("lock the address that guesses, longer each time, but nobody who was in", () =>
    Effect.gen(function* () {
      const here = from("203.0.113.7")
      let guesses = 0
      const guess = Effect.suspend(() => send("GET", "/me", { key: `guess-${guesses++}`, ...here }))
      assert.strictEqual((yield* send("GET", "/me", { key: "1-ada", ...here })).status, 200)
      for (let count = 0; count < wrongCredentialsOfAddress; count++) assert.strictEqual((yield* guess).status, 401)
      const locked = yield* guess
      assert.strictEqual(locked.status, 429)
      assert.strictEqual(locked.headers["retry-after"], "60")
      assert.containSubset(locked.json, { limit: "login", code: "too-many-requests" })
      assert.strictEqual((yield* send("GET", "/me", { key: "1-bob", ...here })).status, 429, "nobody new")
      assert.strictEqual((yield* send("GET", "/me", { key: "1-ada", ...here })).status, 200)
      assert.strictEqual((yield* send("GET", "/me", { key: "1-bob", ...from("203.0.113.8") })).status, 200)
      assert.strictEqual((yield* send("GET", "/me", here)).status, 401, "none at all is no guess")
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* send("GET", "/me", { key: "1-eve", ...here })).status, 200)
      let again = yield* guess
      while (again.status === 401) again = yield* guess
      assert.strictEqual(again.headers["retry-after"], "120")
    }).pipe(Effect.provide(server({}, proxied)))
  )

  it.effect("are not tried again and again, from wherever; a program that repeats one locks nobody else", () =>
    Effect.gen(function* () {
      for (let count = 0; count < wrongUsesOfCredential; count++) {
        assert.strictEqual((yield* send("GET", "/me", { key: "revoked", ...from("203.0.113.7") })).status, 401)
      }
      assert.strictEqual((yield* send("GET", "/me", { key: "revoked", ...from("203.0.113.8") })).status, 429)
      assert.strictEqual((yield* send("GET", "/me", { key: "1-ada", ...from("203.0.113.7") })).status, 200)
    }).pipe(Effect.provide(server({}, proxied)))
  )
})

/** The status of the answer to a request that is never completed. */
const incomplete = (port: number, key: string) =>
  Effect.callback<string>((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("error", () => {})
    socket.once("data", (data) => {
      resume(Effect.succeed(data.toString().slice(0, 12)))
      socket.destroy()
    })
    socket.write(
      `POST /echo HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\n` +
        `content-type: application/json\r\ncontent-length: 100\r\n\r\n{"text":`
    )
  })

describe("a body that does not arrive", () => {
  it.effect("is not waited for when nobody good sends it", () =>
    Effect.gen(function* () {
      const { address } = yield* HttpServer.HttpServer
      const port = "port" in address ? address.port : assert.fail()
      assert.strictEqual(yield* incomplete(port, "wrong"), "HTTP/1.1 401")
    }).pipe(Effect.provide(server({})))
  )

  it.effect("is waited for a while when somebody known sends it", () =>
    Effect.gen(function* () {
      const { address } = yield* HttpServer.HttpServer
      const port = "port" in address ? address.port : assert.fail()
      const answer = yield* Effect.forkChild(incomplete(port, tokenOf("1-ada")))
      yield* Effect.raceFirst(
        Fiber.join(answer),
        Effect.forever(
          Effect.andThen(TestClock.adjust(requestBodyTimeout), TestClock.withLive(Effect.sleep("5 millis")))
        )
      )
      assert.strictEqual(yield* Fiber.join(answer), "HTTP/1.1 408")
    }).pipe(Effect.provide(server({})))
  )

  it.effect("put who is refused on record, and whose they are where that is known", () => {
    const refused: Array<string> = []
    const audit = Layer.mock(Audit, {
      refused: ({ limit = "", principal, reason }) =>
        Effect.sync(() => void refused.push(`${reason} ${limit} ${principal?.tenantId.at(-1)} ${principal?.actor}`))
    })
    return Effect.gen(function* () {
      for (const key of ["1-ada", "1-ada", "1-bob"]) yield* send("GET", "/me", { key })
      for (let wrong = 0; wrong <= 50; wrong++) yield* send("GET", "/me", { key: `wrong-${wrong}` })
      assert.deepStrictEqual(refused, [
        "rate_limit credential 1 ada",
        "rate_limit tenant 1 bob",
        "locked_out  undefined undefined"
      ])
    }).pipe(Effect.provide(server({ perCredential: 1, perTenant: 1 }, {}, audit)))
  })
})
