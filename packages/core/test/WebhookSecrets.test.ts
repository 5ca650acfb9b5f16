import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { longestSecretOverlap, secretOverlap } from "@devops-mcp/resilience/Policies"
import { RotateWebhookSecret } from "@devops-mcp/contract/WebhooksApi"
import { WebhookId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { DateTime, Duration, Effect, Redacted, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { signed, UseCases } from "./Fakes.ts"

const hooked = Effect.gen(function* () {
  const tenantId = yield* freshTenant
  const webhooks = yield* Webhooks
  const { secret, webhook } = yield* webhooks.create(tenantId, { source: "github", name: "ours" })
  let deliveries = 0
  /** Whether a delivery is accepted that is signed so. */
  const verifies = Effect.fnUntraced(function* (key: Redacted.Redacted) {
    const headers = yield* signed(key, "{}", `d-${deliveries++}`)
    const outcome = yield* Effect.result(webhooks.receive(webhook.id, headers, "{}"))
    if (Result.isFailure(outcome)) assert.strictEqual(outcome.failure._tag, "@devops-mcp/domain/Errors/Unauthenticated")
    return Result.isSuccess(outcome)
  })
  const rotate = (input: typeof RotateWebhookSecret.Type = {}) => webhooks.rotateSecret(tenantId, webhook.id, input)
  return { tenantId, webhooks, webhook, secret, verifies, rotate }
})

const endOverlap = (id: WebhookId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`update webhooks set previous_expires_at = now() - interval '1 second' where id = ${id}`
  )

layer(UseCases, { excludeTestServices: true, timeout: "60 seconds" })("the secret of a webhook", (it) => {
  it.effect("is replaced by one nobody can guess, and verifies beside it until the overlap ends", () =>
    Effect.gen(function* () {
      const { rotate, secret, verifies, webhook } = yield* hooked
      const before = yield* DateTime.now
      const rotated = yield* rotate()
      assert.deepStrictEqual(rotated.webhook, webhook)
      assert.isAtLeast(Redacted.value(rotated.secret).length, 43)
      assert.notStrictEqual(Redacted.value(rotated.secret), Redacted.value(secret))
      const overlap = Duration.toMillis(DateTime.distance(before, rotated.previousExpiresAt!))
      assert.closeTo(overlap, Duration.toMillis(secretOverlap), 30_000)
      const verified = Effect.forEach([secret, rotated.secret, Redacted.make("another secret")], verifies)
      assert.deepStrictEqual(yield* verified, [true, true, false])
    })
  )

  it.effect("verifies alone once the overlap has ended", () =>
    Effect.gen(function* () {
      const { rotate, secret, verifies, webhook } = yield* hooked
      const rotated = yield* rotate()
      yield* endOverlap(webhook.id)
      assert.deepStrictEqual(yield* Effect.forEach([secret, rotated.secret], verifies), [false, true])
    })
  )

  it.effect("of two times before verifies no more, and none does without an overlap", () =>
    Effect.gen(function* () {
      const { rotate, secret, verifies } = yield* hooked
      const second = yield* rotate({ secret: "the second of them", overlapSeconds: 60 })
      assert.strictEqual(Redacted.value(second.secret), "the second of them")
      const third = yield* rotate({ overlapSeconds: 60 })
      const all = [secret, second.secret, third.secret]
      assert.deepStrictEqual(yield* Effect.forEach(all, verifies), [false, true, true])
      const fourth = yield* rotate({ overlapSeconds: 0 })
      assert.isUndefined(fourth.previousExpiresAt)
      assert.deepStrictEqual(yield* Effect.forEach([...all, fourth.secret], verifies), [false, false, false, true])
    })
  )

  it.effect("of an earlier version, stored plain, is sealed and goes on to verify", () =>
    Effect.gen(function* () {
      const { rotate, verifies, webhook } = yield* hooked
      const [sql, before] = [yield* SqlClient.SqlClient, "from before sealing"]
      yield* sql`update webhooks set secret = ${before}, sealed_secret = null where id = ${webhook.id}`
      const { secret } = yield* rotate()
      const keys = [Redacted.make(before), secret]
      assert.deepStrictEqual(yield* Effect.forEach(keys, verifies), [true, true])
      const rows = yield* sql`select 1 from webhooks where id = ${webhook.id} and secret is not null`
      assert.deepStrictEqual(rows, [])
    })
  )

  it.effect("is one of those given when many rotate at once, and the one before is another of them", () =>
    Effect.gen(function* () {
      const { rotate, secret, verifies } = yield* hooked
      const given = yield* Effect.replicateEffect(rotate(), 8, { concurrency: "unbounded" })
      const verified = yield* Effect.forEach([secret, ...given.map((one) => one.secret)], verifies)
      assert.strictEqual(verified.filter(Boolean).length, 2)
      assert.isFalse(verified[0])
    })
  )

  it.effect("is nobody else's to replace", () =>
    Effect.gen(function* () {
      const { secret, verifies, webhook, webhooks } = yield* hooked
      const other = yield* freshTenant
      for (const id of [webhook.id, freshId(WebhookId)]) {
        const refused = yield* Effect.flip(webhooks.rotateSecret(other, id, {}))
        assert.strictEqual(refused._tag, "@devops-mcp/domain/Errors/NotFound")
      }
      assert.isTrue(yield* verifies(secret))
    })
  )

  it.effect("may overlap for thirty days, not for longer and not for less than nothing", () =>
    Effect.gen(function* () {
      const longest = Duration.toSeconds(longestSecretOverlap)
      assert.strictEqual(longest, 2_592_000)
      const decode = Schema.decodeUnknownEffect(RotateWebhookSecret)
      yield* decode({ overlapSeconds: longest })
      yield* decode({})
      for (const overlapSeconds of [-1, longest + 1, 0.5, "60", Number.NaN]) {
        yield* Effect.flip(decode({ overlapSeconds }))
      }
      for (const secret of ["", "x".repeat(15), "x".repeat(201)]) yield* Effect.flip(decode({ secret }))
    })
  )
})
