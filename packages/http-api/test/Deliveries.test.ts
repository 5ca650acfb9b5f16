import { webhookDeliveries } from "@devops-mcp/observability/Metrics"
import { assert, layer } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { absentId, webhookId } from "./Fakes.ts"
import { logged, send, TestServer } from "./TestServer.ts"

const address = `/webhooks/${webhookId}`
const signed = (id: string) => ({ "x-signature": "s3cret", "x-delivery": id })

const counted = (outcome: string, source = "github") =>
  Effect.map(Metric.value(Metric.withAttributes(webhookDeliveries, { source, outcome })), ({ count }) => Number(count))

layer(TestServer, { excludeTestServices: true })("Deliveries", (it) => {
  it.effect("a good delivery is accepted, and its repeat is a duplicate", () =>
    Effect.gen(function* () {
      const [accepted, duplicates] = [yield* counted("accepted"), yield* counted("duplicate")]
      const first = yield* send("POST", address, { body: '{"a":1}', headers: signed("one") })
      assert.strictEqual(first.status, 202)
      assert.containSubset(first.json, { status: "accepted" })
      const second = yield* send("POST", address, { body: '{"a":1}', headers: signed("one") })
      assert.strictEqual(second.status, 202)
      assert.containSubset(second.json, { status: "duplicate" })
      assert.strictEqual(yield* counted("accepted"), accepted + 1)
      assert.strictEqual(yield* counted("duplicate"), duplicates + 1)
    })
  )

  it.effect("a bad signature is a 401, whatever the body is", () =>
    Effect.gen(function* () {
      for (const body of ["{}", "not json"]) {
        const { json, status } = yield* send("POST", address, { body, headers: { "x-signature": "guess" } })
        assert.strictEqual(status, 401)
        assert.containSubset(json, { code: "unauthorized" })
      }
    })
  )

  it.effect("a signed body that is not JSON is a 400, and so is a delivery without an id", () =>
    Effect.gen(function* () {
      const malformed = yield* send("POST", address, { body: '{"a":', headers: signed("two") })
      assert.strictEqual(malformed.status, 400)
      assert.containSubset(malformed.json, { code: "invalid-delivery", errors: [{ pointer: "/body" }] })
      const nameless = yield* send("POST", address, { body: "{}", headers: { "x-signature": "s3cret" } })
      assert.strictEqual(nameless.status, 400)
      assert.containSubset(nameless.json, { errors: [{ pointer: "/headers/x-delivery" }] })
    })
  )

  it.effect("a body that is not UTF-8 is a 400", () =>
    Effect.gen(function* () {
      const body = new Uint8Array([0x22, 0xff, 0xfe, 0x22])
      const { json, status } = yield* send("POST", address, { body, headers: signed("three") })
      assert.strictEqual(status, 400)
      assert.containSubset(json, { errors: [{ pointer: "/body", detail: "The body is not UTF-8" }] })
    })
  )

  it.effect("5 MiB are a 413 before anything else is looked at", () =>
    Effect.gen(function* () {
      const before = yield* counted("unreadable", "unknown")
      const body = new Uint8Array(5 * 2 ** 20).fill(32)
      const { json, status } = yield* send("POST", address, { body, headers: { "x-signature": "guess" } })
      assert.strictEqual(status, 413)
      assert.containSubset(json, { code: "payload-too-large" })
      assert.strictEqual(yield* counted("unreadable", "unknown"), before + 1)
    })
  )

  it.effect.each([
    ["application/json", 202],
    ["application/json; charset=utf-8", 202],
    ["application/vnd.hub+json", 202],
    ["text/plain", 415],
    ["application/x-www-form-urlencoded", 415],
    ["application/jsonp", 415]
  ] as const)("%s answers %d", ([contentType, expected]) =>
    Effect.gen(function* () {
      const { status } = yield* send("POST", address, { body: "{}", headers: signed(contentType), contentType })
      assert.strictEqual(status, expected)
    })
  )

  it.effect.each([absentId, "not-an-id", `${webhookId}0`])("no webhook %s is a 404", (id) =>
    Effect.gen(function* () {
      const { json, status } = yield* send("POST", `/webhooks/${id}`, { body: "{}", headers: signed("four") })
      assert.strictEqual(status, 404)
      assert.containSubset(json, { code: "not-found" })
    })
  )

  it.effect("what is turned away is counted by why, and by source where a webhook is known", () =>
    Effect.gen(function* () {
      const refusals = [
        ["unauthorized", "github", address, { body: "{}" }],
        ["invalid-delivery", "github", address, { body: "no json", headers: signed("six") }],
        ["invalid-delivery", "unknown", address, { body: new Uint8Array([0xff]), headers: signed("six") }],
        ["unsupported-media-type", "unknown", address, { body: "a=b", contentType: "text/plain" }],
        ["not-found", "unknown", `/webhooks/${absentId}`, { body: "{}" }]
      ] as const
      for (const [outcome, source, path, sent] of refusals) {
        const before = yield* counted(outcome, source)
        const { json } = yield* send("POST", path, sent)
        assert.containSubset(json, { code: outcome })
        assert.strictEqual(yield* counted(outcome, source), before + 1)
      }
    })
  )

  it.effect("a webhook tells where to post, under the host that was asked", () =>
    Effect.gen(function* () {
      const created = yield* send("POST", "/api/v1/webhooks", {
        key: "operator",
        json: { source: "github", name: "repo" }
      })
      assert.strictEqual(created.status, 201)
      assert.match(Object(created.json).url, /^http:\/\/127\.0\.0\.1:\d+\/webhooks\/[0-9a-f-]{36}$/)
      assert.isAtLeast(Object(created.json).secret.length, 32)
      const listed = yield* send("GET", "/api/v1/webhooks", { key: "operator" })
      assert.match(Object(listed.json).items[0].url, new RegExp(`${address}$`))
      assert.notInclude(listed.text, "s3cret")
      assert.notInclude(logged.join(), Object(created.json).secret)
    })
  )

  it.effect(
    "a webhook's secret is replaced by one that is shown once, and says until when the one before is good",
    () =>
      Effect.gen(function* () {
        const rotation = `/api/v1/webhooks/${webhookId}/rotate-secret`
        const rotated = yield* send("POST", rotation, { key: "operator", json: { overlapSeconds: 60 } })
        assert.strictEqual(rotated.status, 200)
        const { previousExpiresAt, secret, url } = Object(rotated.json)
        assert.isAtLeast(secret.length, 32)
        assert.match(url, new RegExp(`${address}$`))
        assert.match(previousExpiresAt, /^\d{4}-\d\d-\d\dT.*Z$/)
        const atOnce = yield* send("POST", rotation, { key: "operator", json: { overlapSeconds: 0 } })
        assert.notProperty(atOnce.json, "previousExpiresAt")
        for (const json of [{ overlapSeconds: 2_592_001 }, { overlapSeconds: -1 }, { secret: "short" }]) {
          assert.strictEqual((yield* send("POST", rotation, { key: "operator", json })).status, 400)
        }
        assert.strictEqual((yield* send("POST", rotation, { key: "agent", json: {} })).status, 403)
        const elsewhere = rotation.replace(webhookId, absentId)
        assert.strictEqual((yield* send("POST", elsewhere, { key: "operator", json: {} })).status, 404)
        assert.notInclude(logged.join(), secret)
      })
  )
})
