import { webhookAdapterConformance } from "@devops-mcp/testing/conformance/WebhookAdapter"
import { signSha256 } from "@devops-mcp/testing/WebhookSigners"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Adapters, adapterOf } from "../Adapters.ts"

for (const header of ["x-signature-256", "x-hub-signature-256"]) {
  webhookAdapterConformance(`generic with ${header}`, Adapters, {
    source: "generic",
    eventType: "deploy.finished",
    identity: { "x-delivery-id": "delivery-1" },
    namedByBody: true,
    payload: { type: "deploy.finished" },
    sign: signSha256(header)
  })
}

layer(Adapters)("GenericWebhooks", (it) => {
  it.effect("takes a good signature in either header", () =>
    Effect.gen(function* () {
      const { verify } = yield* adapterOf("generic")
      const secret = Redacted.make("the secret of this webhook")
      const good = yield* signSha256("x-signature-256")(secret, "{}")
      const bad = { "x-hub-signature-256": `sha256=${"0".repeat(64)}` }
      yield* verify({ secret, headers: { ...good, ...bad }, body: "{}" })
      const error = yield* Effect.flip(verify({ secret, headers: bad, body: "{}" }))
      assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
    })
  )

  it.effect("believes the delivery's own names before the payload's, and a proxy's last", () =>
    Effect.gen(function* () {
      const { identify } = yield* adapterOf("generic")
      const idOf = (headers: Readonly<Record<string, string>>, payload: Parameters<typeof identify>[1]) =>
        Effect.map(identify(headers, payload, "{}"), ({ externalId }) => externalId)
      const proxied = { "x-request-id": "r-1" }
      assert.strictEqual(yield* idOf({ ...proxied, "x-delivery-id": "d-1" }, { id: "p-1" }), "d-1")
      assert.strictEqual(yield* idOf({ ...proxied, "x-event-id": "e-1" }, { id: "p-1" }), "e-1")
      assert.strictEqual(yield* idOf(proxied, { id: 17, event_id: "p-2" }), "p-2")
      assert.strictEqual(yield* idOf(proxied, { id: 17 }), "17")
      assert.strictEqual(yield* idOf(proxied, { id: {} }), "r-1")
      assert.match(yield* idOf({}, "text"), /^sha256:/)
    })
  )

  it.effect("asks headers before the payload what an event is called, and groups by repository or project", () =>
    Effect.gen(function* () {
      const { identify } = yield* adapterOf("generic")
      const payload = { event: "from payload", project: { key: "SHOP" } }
      const told = yield* identify({ "x-event-type": "from.header" }, payload, "{}")
      assert.deepStrictEqual([told.eventType, told.group], ["from.header", "SHOP"])
      const untold = yield* identify({}, { ...payload, repository: { full_name: "acme/shop" } }, "{}")
      assert.deepStrictEqual([untold.eventType, untold.group], ["from payload", "acme/shop"])
    })
  )
})
