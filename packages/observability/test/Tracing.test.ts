import * as Tracing from "@devops-mcp/observability/Tracing"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Queue, Tracer } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"

const withEnv = (env: Readonly<Record<string, string>>) =>
  Tracing.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))))

describe("Tracing", () => {
  it.effect("does nothing without an endpoint", () =>
    Effect.gen(function* () {
      const before = yield* Tracer.Tracer
      const after = yield* Effect.provide(Tracer.Tracer, withEnv({}))
      assert.strictEqual(after, before)
    })
  )

  it.live("sends spans to the endpoint under the service's name, at the latest when the program ends", () =>
    Effect.gen(function* () {
      const received = yield* Queue.unbounded<string>()
      const collect = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        yield* Queue.offer(received, yield* Effect.orDie(request.text))
        return HttpServerResponse.empty()
      })
      const collector = HttpRouter.serve(HttpRouter.add("POST", "/v1/traces", collect), {
        disableListenLog: true,
        disableLogger: true
      }).pipe(Layer.provideMerge(NodeHttpServer.layerTest))
      yield* Effect.gen(function* () {
        const { address } = yield* HttpServer.HttpServer
        const endpoint = HttpServer.formatAddress(address)
        yield* Effect.provide(
          Effect.void.pipe(Effect.withSpan("a-span")),
          withEnv({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
        )
        const sent = yield* Queue.take(received)
        assert.include(sent, '"a-span"')
        assert.include(sent, '"devops-mcp"')
      }).pipe(Effect.provide(collector))
    })
  )

  it.effect("refuses an endpoint that is no URL by its name", () =>
    Effect.gen(function* () {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "not a url" }
      const error = yield* Effect.flip(Effect.provide(Effect.void, withEnv(env)))
      assert.include(error.message, "OTEL_EXPORTER_OTLP_ENDPOINT")
    })
  )
})
