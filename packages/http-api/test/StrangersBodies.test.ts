import { CommonProblems } from "@devops-mcp/contract/Problems"
import { Validation } from "@devops-mcp/contract/Validation"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Schema } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { connect } from "node:net"
import { ValidationLive } from "../src/Validation.ts"
import { send } from "./TestServer.ts"

const schemas = { payload: Schema.Struct({ text: Schema.String }), success: Schema.String, error: CommonProblems }

class DropApi extends HttpApi.make("strangers")
  .add(HttpApiGroup.make("strangers").add(HttpApiEndpoint.post("drop", "/drop", schemas)))
  .middleware(Validation) {}

const Handlers = HttpApiBuilder.group(DropApi, "strangers", (handlers) =>
  Effect.succeed(handlers.handle("drop", ({ payload }) => Effect.succeed(payload.text)))
)

const Server = HttpServer.layerTestClient.pipe(
  Layer.provide(FetchHttpClient.layer),
  Layer.provideMerge(serve(HttpApiBuilder.layer(DropApi).pipe(Layer.provide(Handlers), Layer.provide(ValidationLive)))),
  Layer.provide([testLimits(), NodeCrypto.layer, ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0" }))])
)

/** A request whose body does not all arrive. */
const half =
  'POST /drop HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"text":'

describe("bodies of strangers", () => {
  it.live("are received of 256 at once, and not of one more until there is a place", () =>
    Effect.gen(function* () {
      const { address } = yield* HttpServer.HttpServer
      const port = "port" in address ? address.port : assert.fail()
      const sockets = yield* Effect.acquireRelease(
        Effect.sync(() => Array.from({ length: 256 }, () => connect(port, "127.0.0.1"))),
        (all) => Effect.sync(() => all.forEach((socket) => socket.destroy()))
      )
      for (const socket of sockets) socket.on("error", () => {})
      const drop = send("POST", "/drop", { headers: { "content-type": "application/json" }, body: `{"text":"t"}` })
      const until = (status: number) => Effect.repeat(drop, { until: (answer) => answer.status === status })
      for (const socket of sockets.slice(1)) socket.write(half)
      assert.strictEqual((yield* drop).status, 200)
      sockets[0]?.write(half)
      const refused = yield* until(503)
      assert.strictEqual(refused.headers["retry-after"], "1")
      sockets[0]?.destroy()
      yield* until(200)
    }).pipe(Effect.provide(Server))
  )
})
