import { webhookAdapterConformance } from "@devops-mcp/testing/conformance/WebhookAdapter"
import { signSha256 } from "@devops-mcp/testing/WebhookSigners"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Adapters, adapterOf } from "../Adapters.ts"

const identity = { "x-event-key": "repo:push" }

webhookAdapterConformance("Bitbucket", Adapters, {
  source: "bitbucket",
  eventType: "repo:push",
  identity,
  sign: signSha256("x-hub-signature")
})

layer(Adapters)("BitbucketWebhooks", (it) => {
  it.effect("accepts the signature of Atlassian's own documentation", () =>
    Effect.gen(function* () {
      const { verify } = yield* adapterOf("bitbucket")
      const headers = { "x-hub-signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9" }
      yield* verify({ secret: Redacted.make("It's a Secret to Everybody"), headers, body: "Hello World!" })
    })
  )

  it.effect("names deliveries as Cloud and Data Center do, else by the body", () =>
    Effect.gen(function* () {
      const { identify } = yield* adapterOf("bitbucket")
      const cloud = yield* identify(
        { ...identity, "x-request-uuid": "u-1" },
        { repository: { full_name: "a/b" } },
        "{}"
      )
      assert.deepStrictEqual(cloud, { externalId: "u-1", eventType: "repo:push", group: "a/b" })
      const payload = { repository: { slug: "shop", project: { key: "WEB" } } }
      const dataCenter = yield* identify({ ...identity, "x-request-id": "u-2" }, payload, "{}")
      assert.deepStrictEqual(dataCenter, { externalId: "u-2", eventType: "repo:push", group: "WEB/shop" })
      assert.match((yield* identify(identity, {}, "{}")).externalId, /^sha256:[0-9a-f]{64}$/)
      const error = yield* Effect.flip(identify({ ...identity, "x-request-uuid": "" }, {}, "{}"))
      assert.strictEqual(error.pointer, "/headers/x-request-uuid")
    })
  )
})
