import { webhookAdapterConformance } from "@devops-mcp/testing/conformance/WebhookAdapter"
import { signSha256 } from "@devops-mcp/testing/WebhookSigners"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Adapters, adapterOf } from "../Adapters.ts"

webhookAdapterConformance("Jira", Adapters, {
  source: "jira",
  eventType: "jira:issue_created",
  identity: { "x-atlassian-webhook-identifier": "3ae1e6b4-3f6b-4a3f-8f0a-7d2a5f2b0c11" },
  namedByBody: true,
  payload: { webhookEvent: "jira:issue_created" },
  sign: signSha256("x-hub-signature")
})

layer(Adapters)("JiraWebhooks", (it) => {
  it.effect("accepts the signature of Atlassian's own documentation", () =>
    Effect.gen(function* () {
      const { verify } = yield* adapterOf("jira")
      const headers = { "x-hub-signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9" }
      yield* verify({ secret: Redacted.make("It's a Secret to Everybody"), headers, body: "Hello World!" })
    })
  )

  it.effect("groups what happens by project", () =>
    Effect.gen(function* () {
      const { identify } = yield* adapterOf("jira")
      const groupOf = (payload: Parameters<typeof identify>[1]) =>
        Effect.map(identify({}, payload, "{}"), ({ group }) => group)
      assert.strictEqual(yield* groupOf({ issue: { key: "SHOP-1", fields: { project: { key: "SHOP" } } } }), "SHOP")
      assert.strictEqual(yield* groupOf({ issue: { key: "SHOP-1" } }), "SHOP")
      assert.strictEqual(yield* groupOf({ version: { projectId: 10000 } }), "10000")
      assert.isUndefined(yield* groupOf({ issue: { key: "no key" } }))
    })
  )
})
