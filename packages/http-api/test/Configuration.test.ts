import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { webhookId } from "./Fakes.ts"
import { send, testServer } from "./TestServer.ts"

layer(testServer({ PUBLIC_URL: "https://hooks.example/devops/", MAX_BODY_BYTES: "100" }), {
  excludeTestServices: true
})("configured", (it) => {
  it.effect("PUBLIC_URL is where webhooks are posted to, whatever the Host header says", () =>
    Effect.gen(function* () {
      const { json } = yield* send("GET", `/api/v1/webhooks/${webhookId}`, {
        key: "operator",
        headers: { "x-forwarded-host": "evil.example" }
      })
      assert.strictEqual(Object(json).url, `https://hooks.example/devops/webhooks/${webhookId}`)
    })
  )

  it.effect("MAX_BODY_BYTES is the size of the largest body", () =>
    Effect.gen(function* () {
      const body = (size: number) => new Uint8Array(size).fill(32)
      assert.strictEqual((yield* send("POST", "/api/v1/contexts", { key: "agent", body: body(100) })).status, 400)
      assert.strictEqual((yield* send("POST", "/api/v1/contexts", { key: "agent", body: body(101) })).status, 413)
      assert.strictEqual((yield* send("POST", `/webhooks/${webhookId}`, { body: body(100) })).status, 401)
      assert.strictEqual((yield* send("POST", `/webhooks/${webhookId}`, { body: body(101) })).status, 413)
    })
  )
})

describe("bad configuration", () => {
  it.effect.each([
    ["MAX_BODY_BYTES", "4 MiB"],
    ["MAX_BODY_BYTES", "-7"],
    ["PUBLIC_URL", "hooks"]
  ] as const)("refuses %s=%s by its name", ([name, value]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(testServer({ [name]: value }))))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, name)
      assert.notInclude(error.message, value)
    })
  )
})
