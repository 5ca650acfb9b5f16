import { Api } from "@devops-mcp/contract/Api"
import { guarded, Requires, requires } from "@devops-mcp/contract/Authorization"
import { PermissionsDeclared } from "@devops-mcp/http-api/Permissions"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

const open = HttpApiEndpoint.get("read", "/secrets")

const undeclared = HttpApi.make("test").add(HttpApiGroup.make("secrets").add(open)).prefix("/api")
const unchecked = HttpApi.make("test").add(HttpApiGroup.make("secrets").add(open.annotate(Requires, "keys:admin")))
const sound = HttpApi.make("test").add(guarded("secrets", open.pipe(requires("keys:admin"))))
const signed = HttpApi.make("test").add(HttpApiGroup.make("secrets").add(open.annotate(Requires, "signature")))

const start = <Id extends string, Groups extends HttpApiGroup.Constraint>(api: HttpApi.HttpApi<Id, Groups>) =>
  Effect.scoped(Layer.build(PermissionsDeclared(api)))

describe("a route without a permission", () => {
  it("does not compile in a group behind a credential", () => {
    // @ts-expect-error: the endpoint does not say what it requires
    guarded("secrets", open)
    // @ts-expect-error: one of them does not say what it requires
    guarded("secrets", open.pipe(requires("any")), HttpApiEndpoint.post("write", "/secrets"))
    // @ts-expect-error: there is no such scope
    requires("secrets:read")
    // @ts-expect-error: behind a credential nobody checks a signature
    requires("signature")
    assert.isDefined(guarded("secrets", open.pipe(requires("any"))))
  })

  it.effect("does not start, and what is said names it", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* Effect.flip(start(undeclared))).message,
        "The route GET /api/secrets (secrets.read) does not say what it requires: declare it with requires(…) in a group made by guarded(…)"
      )
      assert.strictEqual(
        (yield* Effect.flip(start(unchecked))).message,
        "The route GET /secrets (secrets.read) says what it requires, but nothing checks it: declare its group with guarded(…)"
      )
    })
  )

  it.effect("is none of ours", () =>
    Effect.gen(function* () {
      yield* start(sound)
      yield* start(signed)
      yield* start(Api)
    })
  )
})
