import { Authorization, Requires } from "@devops-mcp/contract/Authorization"
import { CommonProblems } from "@devops-mcp/contract/Problems"
import { Validation } from "@devops-mcp/contract/Validation"
import { AuthorizationLive } from "@devops-mcp/http-api/Authorization"
import { ValidationLive } from "@devops-mcp/http-api/Validation"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Schema } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Acts, fakes } from "./Fakes.ts"
import { send } from "./TestServer.ts"

const success = Schema.String.check(Schema.isMaxLength(3))

/** Routes with the mistakes that ours must not have. */
class Careless extends HttpApi.make("careless")
  .add(
    HttpApiGroup.make("careless")
      .add(
        HttpApiEndpoint.get("undeclared", "/undeclared", { success, error: CommonProblems }),
        HttpApiEndpoint.get("wrong", "/wrong", { success, error: CommonProblems }).annotate(Requires, "any")
      )
      .middleware(Authorization)
  )
  .middleware(Validation) {}

const Handlers = HttpApiBuilder.group(Careless, "careless", (handlers) =>
  handlers.handleAll({ undeclared: () => Effect.succeed("ok"), wrong: () => Effect.succeed("far too long") })
)

const CarelessServer = HttpServer.layerTestClient.pipe(
  Layer.provide(FetchHttpClient.layer),
  Layer.provideMerge(
    serve(
      HttpApiBuilder.layer(Careless).pipe(Layer.provide(Handlers), Layer.provide([AuthorizationLive, ValidationLive]))
    )
  ),
  Layer.provideMerge(fakes),
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0" })))
)

layer(CarelessServer, { excludeTestServices: true })("Middleware", (it) => {
  it.effect("a route that does not say what it requires is refused, even to the platform, and on record", () =>
    Effect.gen(function* () {
      const acts = yield* Acts
      const { json, status } = yield* send("GET", "/undeclared", { key: "platform" })
      assert.strictEqual(status, 403)
      assert.containSubset(json, { code: "forbidden", detail: "This route is open to nobody" })
      assert.containSubset(acts, [{ action: "careless.undeclared", outcome: "denied" }])
    })
  )

  it.effect("an answer that breaks our own contract is a 500, not the answer", () =>
    Effect.gen(function* () {
      const { json, status, text } = yield* send("GET", "/wrong", { key: "viewer" })
      assert.strictEqual(status, 500)
      assert.containSubset(json, { code: "internal-error" })
      assert.notInclude(text, "far too long")
    })
  )
})
