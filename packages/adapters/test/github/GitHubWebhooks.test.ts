import { webhookAdapterConformance } from "@devops-mcp/testing/conformance/WebhookAdapter"
import { assert, layer } from "@effect/vitest"
import { sign } from "@octokit/webhooks-methods"
import { Effect, Redacted } from "effect"
import { Adapters, adapterOf } from "../Adapters.ts"

const delivery = { "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "x-github-event": "pull_request" }

const signed = (secret: Redacted.Redacted, body: string) =>
  Effect.promise(() => sign(Redacted.value(secret), body)).pipe(
    Effect.map((signature) => ({ "x-hub-signature-256": signature }))
  )

webhookAdapterConformance("GitHub", Adapters, {
  source: "github",
  eventType: "pull_request",
  identity: delivery,
  sign: signed
})

layer(Adapters)("GitHubWebhooks", (it) => {
  const secret = Redacted.make("It's a Secret to Everybody")
  const body = "Hello, World!"
  // The example of GitHub's documentation on validating deliveries.
  const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
  const github = adapterOf("github")

  it.effect("accepts the signature of GitHub's own documentation", () =>
    Effect.flatMap(github, ({ verify }) => verify({ secret, headers: { "x-hub-signature-256": signature }, body }))
  )

  it.effect("refuses signatures of another form, and never says what was expected", () =>
    Effect.gen(function* () {
      const { verify } = yield* github
      const digest = signature.slice("sha256=".length)
      const odd = [
        "",
        "sha256=",
        digest,
        `sha1=${digest}`,
        `sha256=${digest.toUpperCase()}`,
        `sha256=${digest} `,
        `sha256=${digest}00`,
        `sha256=${digest.slice(0, -2)}`,
        `sha256=${digest},sha256=${digest}`,
        `sha256=${"é".repeat(64)}`,
        `sha256=${"0".repeat(64)}`
      ]
      for (const value of odd) {
        const error = yield* Effect.flip(verify({ secret, headers: { "x-hub-signature-256": value }, body }))
        assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
        assert.notInclude(error.message, digest.slice(0, 8))
      }
    })
  )

  it.effect("does not take the old SHA-1 header for a signature", () =>
    Effect.gen(function* () {
      const { verify } = yield* github
      const error = yield* Effect.flip(verify({ secret, headers: { "x-hub-signature": signature }, body }))
      assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
    })
  )

  it.effect("takes the delivery id and the event name from the headers, the group from the repository", () =>
    Effect.gen(function* () {
      const { identify } = yield* github
      const named = { externalId: "72d3162e-cc78-11e3-81ab-4c9367dc0958", eventType: "pull_request" }
      assert.deepStrictEqual(yield* identify(delivery, {}, "{}"), named)
      const payload = { repository: { full_name: "acme/shop" }, organization: { login: "acme" } }
      assert.deepStrictEqual(yield* identify(delivery, payload, "{}"), { ...named, group: "acme/shop" })
      const organization = { organization: { login: "acme" } }
      assert.strictEqual((yield* identify(delivery, organization, "{}")).group, "acme")
      const long = { repository: { full_name: `acme/${"é x".repeat(100)}` } }
      assert.match((yield* identify(delivery, long, "{}")).group ?? "", /^acme\/[_x]{123}$/)
    })
  )

  it.effect.each(["Pull_Request", "pull request", "../push", "é", "a".repeat(101)])(
    "refuses the event name %s",
    (eventType) =>
      Effect.gen(function* () {
        const { identify } = yield* github
        const error = yield* Effect.flip(identify({ ...delivery, "x-github-event": eventType }, {}, "{}"))
        assert.strictEqual(error.pointer, "/headers/x-github-event")
      })
  )
})
