import { webhookAdapterConformance } from "@devops-mcp/testing/conformance/WebhookAdapter"
import { signSlack } from "@devops-mcp/testing/WebhookSigners"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Adapters, adapterOf } from "../Adapters.ts"

webhookAdapterConformance("Slack", Adapters, {
  source: "slack",
  eventType: "app_mention",
  identity: {},
  namedByBody: true,
  payload: { type: "event_callback", event: { type: "app_mention" } },
  sign: signSlack,
  signsTime: true
})

layer(Adapters)("SlackWebhooks", (it) => {
  it.effect("accepts the signature of Slack's own documentation", () =>
    Effect.gen(function* () {
      const { verify } = yield* adapterOf("slack")
      yield* TestClock.setTime(1531420618_000)
      const body =
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&" +
        "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&" +
        "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&" +
        "trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
      const headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
      }
      yield* verify({ secret: Redacted.make("8f742231b10e8888abcd99yyyzzz85a5"), headers, body })
    })
  )

  it.effect("reads a challenge from the question for it alone", () =>
    Effect.gen(function* () {
      const { challenge } = yield* adapterOf("slack")
      assert.isDefined(challenge)
      assert.strictEqual(challenge({ type: "url_verification", challenge: "3eZbrw1aBm2r" }), "3eZbrw1aBm2r")
      const others = [
        { type: "event_callback", challenge: "3eZbrw1aBm2r" },
        { type: "url_verification" },
        { type: "url_verification", challenge: "two words" },
        { type: "url_verification", challenge: "x".repeat(201) },
        { type: "url_verification", challenge: ["a"] },
        "url_verification",
        null
      ]
      for (const payload of others) assert.isUndefined(challenge(payload))
    })
  )

  it.effect("names deliveries by Slack's event id and groups them by channel", () =>
    Effect.gen(function* () {
      const { identify } = yield* adapterOf("slack")
      const event = { type: "reaction_added", item: { channel: "C1" } }
      const payload = { type: "event_callback", team_id: "T1", event_id: "Ev1", event }
      const headers = { "x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout" }
      assert.deepStrictEqual(yield* identify(headers, payload, "{}"), {
        externalId: "Ev1",
        eventType: "reaction_added",
        group: "T1/C1"
      })
      const odd = yield* identify({}, { ...payload, event_id: "two words", event: {} }, "{}")
      assert.match(odd.externalId, /^sha256:/)
      assert.deepStrictEqual([odd.eventType, odd.group], ["event_callback", "T1"])
    })
  )
})
