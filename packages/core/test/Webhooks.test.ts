import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { deepestNesting, isNestedDeeper } from "@devops-mcp/core/JsonNesting"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { DeliveryId, WebhookId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it, layer } from "@effect/vitest"
import { Arbitrary, Effect, Redacted, Ref, Schema } from "effect"
import { signed, UseCases } from "./Fakes.ts"

const depthOf = (value: Schema.Json): number =>
  typeof value !== "object" || value === null ? 0 : 1 + Math.max(0, ...Object.values(value).map(depthOf))

const Brackets = Arbitrary.schema(Schema.String.check(Schema.isPattern(/^[[\]{}"\\x]{0,20}$/)))

describe("isNestedDeeper", () => {
  it.prop("knows how deep any JSON is", [Schema.Json], ([value]) => {
    const text = JSON.stringify(value)
    const depth = depthOf(value)
    assert.isFalse(isNestedDeeper(text, depth))
    if (depth > 0) assert.isTrue(isNestedDeeper(text, depth - 1))
  })

  it.prop("takes brackets in strings for what they are", [Brackets], ([text]) => {
    assert.isFalse(isNestedDeeper(JSON.stringify({ [text]: [text] }), 2))
    assert.isTrue(isNestedDeeper(JSON.stringify({ [text]: [text] }), 1))
  })

  it("does not care what is no JSON at all, unless it is nested", () => {
    for (const text of ["", "]]]]", '"', '"\\', "nul"]) assert.isFalse(isNestedDeeper(text, 1))
    assert.isTrue(isNestedDeeper("[".repeat(1_000_000), deepestNesting))
  })
})

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("Webhooks.receive", (it) => {
  const hooked = Effect.gen(function* () {
    const tenantId = yield* freshTenant
    const webhooks = yield* Webhooks
    const { secret, webhook } = yield* webhooks.create(tenantId, { source: "github", name: "ours" })
    const receive = Effect.fnUntraced(function* (body: string, delivery = "d-1", key = secret) {
      return yield* webhooks.receive(webhook.id, yield* signed(key, body, delivery), body)
    })
    return { tenantId, webhook, secret, receive }
  })

  /** Takes the one job that must be there. */
  const takeJob = Effect.gen(function* () {
    const queue = yield* JobQueue
    const taken = yield* Ref.make<unknown>(undefined)
    yield* queue.take("deliveries", { run: (job) => Ref.set(taken, job) })
    return yield* Ref.get(taken)
  })

  /** How many jobs wait, in all queues. */
  const waiting = Effect.flatMap(JobQueue, (queue) =>
    Effect.map(queue.stats, (all) => all.reduce((sum, { depth }) => sum + depth, 0))
  )

  it.effect("keeps the delivery and the job to ingest it", () =>
    Effect.gen(function* () {
      const { receive, tenantId, webhook } = yield* hooked
      const accepted = yield* receive('{"zen":"Keep it simple"}')
      assert.strictEqual(accepted.status, "accepted")
      const deliveryId = DeliveryId.make(accepted.deliveryId)
      const delivery = yield* (yield* WebhookRepository).getDelivery(tenantId, deliveryId)
      assert.deepStrictEqual(
        [delivery.webhookId, delivery.externalId, delivery.eventType, delivery.payload],
        [webhook.id, "d-1", "ping", { zen: "Keep it simple" }]
      )
      assert.deepStrictEqual(yield* takeJob, { _tag: "IngestDelivery", tenantId, deliveryId })
    })
  )

  it.effect("knows a repeated delivery, also after a change of its body and from many at once", () =>
    Effect.gen(function* () {
      const { receive } = yield* hooked
      const answers = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, n) => `{"n":${n}}`),
        (body) => receive(body),
        {
          concurrency: "unbounded"
        }
      )
      assert.strictEqual(answers.filter((answer) => answer.status === "accepted").length, 1)
      assert.strictEqual(new Set(answers.map((answer) => answer.deliveryId)).size, 1)
      yield* takeJob
      assert.strictEqual((yield* receive('{"n":9}')).status, "duplicate")
      assert.strictEqual((yield* receive('{"n":9}', "d-2")).status, "accepted")
      yield* takeJob
      assert.strictEqual(yield* waiting, 0)
    })
  )

  it.effect("does not take another webhook's delivery id for its own", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* hooked, yield* hooked]
      assert.strictEqual((yield* one.receive("{}")).status, "accepted")
      assert.strictEqual((yield* other.receive("{}")).status, "accepted")
      yield* takeJob
      yield* takeJob
    })
  )

  it.effect("takes any JSON: scalars, what Postgres cannot keep, and the deepest that is allowed", () =>
    Effect.gen(function* () {
      const { receive, tenantId } = yield* hooked
      const repository = yield* WebhookRepository
      const deepest = "[".repeat(deepestNesting) + "]".repeat(deepestNesting)
      const stored = yield* Effect.forEach(["1", "null", '"text"', '"\\u0000\\ud800"', deepest], (body, index) =>
        Effect.gen(function* () {
          const { deliveryId } = yield* receive(body, `any-${index}`)
          yield* takeJob
          return (yield* repository.getDelivery(tenantId, DeliveryId.make(deliveryId))).payload
        })
      )
      assert.deepStrictEqual(stored.slice(0, 4), [1, null, "text", "\uFFFD\uFFFD"])
      assert.strictEqual(JSON.stringify(stored[4]), deepest)
    })
  )

  it.effect("refuses what is no JSON or nested beyond reason with a clear error, and keeps nothing of it", () =>
    Effect.gen(function* () {
      const { receive } = yield* hooked
      const deep = 100_000
      const bodies = [
        " ",
        "{",
        '{"a":1}x',
        "undefined",
        "[1e400]",
        "[".repeat(deep),
        "[".repeat(deep) + "]".repeat(deep),
        '{"a":'.repeat(deep) + "1" + "}".repeat(deep),
        "[".repeat(deepestNesting + 1) + "]".repeat(deepestNesting + 1)
      ]
      for (const body of bodies) {
        const refused = yield* Effect.flip(receive(body))
        assert.strictEqual(refused._tag, "@devops-mcp/domain/Errors/InvalidInput", body.slice(0, 20))
        assert.isBelow(refused.message.length, 200)
      }
      assert.strictEqual(yield* waiting, 0)
      assert.strictEqual((yield* receive("{}")).status, "accepted")
      yield* takeJob
    })
  )

  it.effect("looks at nothing before the signature is right", () =>
    Effect.gen(function* () {
      const { receive, webhook } = yield* hooked
      const wrong = Redacted.make("another secret")
      for (const body of ["{}", "no json", "[".repeat(100_000)]) {
        const refused = yield* Effect.flip(receive(body, "d-1", wrong))
        assert.strictEqual(refused._tag, "@devops-mcp/domain/Errors/Unauthenticated")
      }
      const unsigned = yield* Effect.flip((yield* Webhooks).receive(webhook.id, {}, "{}"))
      assert.strictEqual(unsigned._tag, "@devops-mcp/domain/Errors/Unauthenticated")
      assert.strictEqual(yield* waiting, 0)
    })
  )

  it.effect("says what is missing of a delivery's name", () =>
    Effect.gen(function* () {
      const { secret, webhook } = yield* hooked
      const headers = yield* signed(secret, "{}", "d-1")
      const refused = yield* Effect.flip(
        (yield* Webhooks).receive(webhook.id, { ...headers, "x-github-delivery": undefined }, "{}")
      )
      assert.strictEqual(refused._tag, "@devops-mcp/domain/Errors/InvalidInput")
    })
  )

  it.effect("knows no webhook that is not there or was deleted", () =>
    Effect.gen(function* () {
      const { receive, secret, tenantId, webhook } = yield* hooked
      const unknown = (yield* Webhooks).receive(freshId(WebhookId), yield* signed(secret, "{}", "d-1"), "{}")
      assert.strictEqual((yield* Effect.flip(unknown))._tag, "@devops-mcp/domain/Errors/NotFound")
      // Remembered for a while, and still gone at once.
      assert.strictEqual((yield* receive("{}")).status, "accepted")
      yield* takeJob
      yield* (yield* WebhookRepository).delete(tenantId, webhook.id)
      assert.strictEqual((yield* Effect.flip(receive("{}", "d-2")))._tag, "@devops-mcp/domain/Errors/NotFound")
    })
  )

  it.effect("makes a secret nobody can guess, unless it is given one", () =>
    Effect.gen(function* () {
      const webhooks = yield* Webhooks
      const tenantId = yield* freshTenant
      const made = yield* Effect.replicateEffect(webhooks.create(tenantId, { source: "github", name: "n" }), 5)
      const secrets = made.map(({ secret }) => Redacted.value(secret))
      assert.strictEqual(new Set(secrets).size, 5)
      assert.isTrue(secrets.every((secret) => secret.length >= 43))
      const given = yield* webhooks.create(tenantId, { source: "github", name: "n", secret: "our own secret" })
      assert.strictEqual(Redacted.value(given.secret), "our own secret")
    })
  )
})
