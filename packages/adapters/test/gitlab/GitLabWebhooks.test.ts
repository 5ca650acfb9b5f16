import { webhookAdapterConformance, type WebhookSender } from "@devops-mcp/testing/conformance/WebhookAdapter"
import { sendGitLabToken, signGitLab } from "@devops-mcp/testing/WebhookSigners"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Adapters, adapterOf } from "../Adapters.ts"

const gitlab: Omit<WebhookSender, "sign"> = {
  source: "gitlab",
  eventType: "push",
  identity: { "idempotency-key": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f" },
  namedByBody: true,
  payload: { object_kind: "push" }
}
const signingTokens = [
  Redacted.make("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
  Redacted.make("whsec_c2l4dGVlbiBieXRlcyBvciBtb3JlIG9mIGtleQ==")
] as const

webhookAdapterConformance("GitLab with a secret token", Adapters, {
  ...gitlab,
  sign: sendGitLabToken,
  signsBody: false
})

webhookAdapterConformance("GitLab with a signing token", Adapters, {
  ...gitlab,
  sign: signGitLab,
  secrets: signingTokens,
  signsTime: true
})

layer(Adapters)("GitLabWebhooks", (it) => {
  const [secret, other] = signingTokens

  // The example of the Standard Webhooks specification.
  const example = {
    headers: {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    },
    body: '{"test": 2432232314}'
  }

  it.effect("accepts the example of Standard Webhooks, alone and among other signatures", () =>
    Effect.gen(function* () {
      const { verify } = yield* adapterOf("gitlab")
      yield* TestClock.setTime(1614265330_000)
      yield* verify({ secret, ...example })
      const signature = `v1,AAAA v1a,BBBB ${example.headers["webhook-signature"]}`
      yield* verify({ secret, ...example, headers: { ...example.headers, "webhook-signature": signature } })
    })
  )

  it.effect("does not let a good token save a bad signature", () =>
    Effect.gen(function* () {
      const { verify } = yield* adapterOf("gitlab")
      const headers = { ...(yield* signGitLab(other, "{}")), "x-gitlab-token": Redacted.value(secret) }
      const error = yield* Effect.flip(verify({ secret, headers, body: "{}" }))
      assert.strictEqual(error._tag, "@devops-mcp/domain/Errors/Unauthenticated")
    })
  )

  it.effect("names deliveries by what stays the same when GitLab tries again, and kinds as payloads do", () =>
    Effect.gen(function* () {
      const { identify } = yield* adapterOf("gitlab")
      const payload = { object_kind: "merge_request", project: { path_with_namespace: "acme/web/shop" } }
      const headers = { "x-gitlab-event": "Merge Request Hook", "x-gitlab-event-uuid": "shared-by-many" }
      const named = { eventType: "merge_request", group: "acme/web/shop" }
      const signed = { ...headers, "webhook-id": "id-1" }
      assert.deepStrictEqual(yield* identify(signed, payload, "{}"), { externalId: "id-1", ...named })
      const keyed = { ...signed, "idempotency-key": "id-2" }
      assert.deepStrictEqual(yield* identify(keyed, payload, "{}"), { externalId: "id-2", ...named })
      const old = yield* identify(headers, {}, "{}")
      assert.match(old.externalId, /^sha256:/)
      assert.strictEqual(old.eventType, "merge_request")
      const member = { event_name: "user_add_to_group", group_path: "acme" }
      assert.strictEqual((yield* identify({}, member, "{}")).eventType, "user_add_to_group")
    })
  )
})
