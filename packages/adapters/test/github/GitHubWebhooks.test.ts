import { WebhookAdapters } from "@devops-mcp/core/ports/WebhookAdapter"
import { webhookAdapterConformance } from "@devops-mcp/testing/conformance/WebhookAdapter"
import { assert, describe, it } from "@effect/vitest"
import { sign } from "@octokit/webhooks-methods"
import { Effect, Redacted } from "effect"
import { GitHubWebhooks } from "../../src/github/GitHubWebhooks.ts"
import { WebhookAdaptersLive } from "../../src/WebhookAdapters.ts"

const delivery = { "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "x-github-event": "pull_request" }

const signed = (secret: Redacted.Redacted, body: string) =>
  Effect.promise(() => sign(Redacted.value(secret), body)).pipe(
    Effect.map((signature) => ({ "x-hub-signature-256": signature }))
  )

webhookAdapterConformance("GitHub", WebhookAdaptersLive, {
  source: "github",
  eventType: "pull_request",
  identity: delivery,
  sign: signed
})

describe("GitHubWebhooks", () => {
  const secret = Redacted.make("It's a Secret to Everybody")
  const body = "Hello, World!"
  // The example of GitHub's documentation on validating deliveries.
  const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

  it.effect("accepts the signature of GitHub's own documentation", () =>
    GitHubWebhooks.verify({ secret, headers: { "x-hub-signature-256": signature }, body })
  )

  it.effect("refuses signatures of another form, and never says what was expected", () =>
    Effect.gen(function* () {
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
        const error = yield* Effect.flip(
          GitHubWebhooks.verify({ secret, headers: { "x-hub-signature-256": value }, body })
        )
        assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
        assert.notInclude(error.message, digest.slice(0, 8))
      }
    })
  )

  it.effect("does not take the old SHA-1 header for a signature", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        GitHubWebhooks.verify({ secret, headers: { "x-hub-signature": signature }, body })
      )
      assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
    })
  )

  it.effect("takes the delivery id and the event name from the headers", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* GitHubWebhooks.identify(delivery, {}), {
        externalId: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        eventType: "pull_request"
      })
    })
  )

  it.effect.each(["Pull_Request", "pull request", "../push", "é", "a".repeat(101)])(
    "refuses the event name %s",
    (eventType) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(GitHubWebhooks.identify({ ...delivery, "x-github-event": eventType }, {}))
        assert.strictEqual(error.pointer, "/headers/x-github-event")
      })
  )

  it.effect("has github among all sources", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* WebhookAdapters).get("github"), GitHubWebhooks)
    }).pipe(Effect.provide(WebhookAdaptersLive))
  )
})
