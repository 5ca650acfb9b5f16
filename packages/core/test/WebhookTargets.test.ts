import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { type WebhookTarget, WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { Secrets } from "@devops-mcp/core/secrets/Secrets"
import { makeWebhookTargets } from "@devops-mcp/core/webhooks/WebhookTargets"
import { InvalidInput, NotFound, Unauthenticated } from "@devops-mcp/domain/Errors"
import { TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import { webhookCaching } from "@devops-mcp/resilience/Policies"
import { anySealedText, freshId } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"

const id = freshId(WebhookId)

const targetNamed = (name: string): WebhookTarget => ({
  tenantId: freshId(TenantId),
  webhook: { id, source: "github", name, createdAt: DateTime.makeUnsafe(0) },
  secret: { _tag: "Sealed", sealed: anySealedText }
})

/** Targets on a store that has what `state.stored` is at the time, and counts what it is asked for. */
const setup = Effect.gen(function* () {
  const state = { stored: targetNamed("first") as WebhookTarget | undefined, lookups: 0, opened: 0 }
  const targets = yield* makeWebhookTargets.pipe(
    Effect.provide([
      Layer.mock(WebhookRepository, {
        target: () =>
          Effect.suspend(() => {
            state.lookups++
            return state.stored === undefined
              ? Effect.fail(new NotFound({ resource: "webhook", id }))
              : Effect.succeed({ ...state.stored })
          })
      }),
      Layer.mock(Secrets, {
        newestPrefix: "",
        open: () =>
          Effect.sync(() => {
            state.opened++
            return Redacted.make("opened")
          })
      })
    ])
  )
  /** Takes a delivery whose secret is the webhook's of this name, as the adapters and the database would. */
  const take = (name: string) =>
    targets.use(id, (target) =>
      Effect.gen(function* () {
        yield* targets.open(target, anySealedText)
        if (target.webhook.name !== name) return yield* new Unauthenticated({ detail: "wrong" })
        return target.webhook.name
      })
    )
  return { state, targets, take }
})

describe("WebhookTargets", () => {
  it.effect("looks a webhook up once in its time, and opens its secret once", () =>
    Effect.gen(function* () {
      const { state, take } = yield* setup
      yield* take("first")
      yield* Effect.replicateEffect(take("first"), 20, { concurrency: "unbounded" })
      assert.deepStrictEqual([state.lookups, state.opened], [1, 1])
      yield* TestClock.adjust(webhookCaching)
      yield* take("first")
      assert.deepStrictEqual([state.lookups, state.opened], [2, 2])
    })
  )

  it.effect("refuses nobody before it has looked again: another secret works at once", () =>
    Effect.gen(function* () {
      const { state, take } = yield* setup
      yield* take("first")
      state.stored = targetNamed("second")
      assert.strictEqual(yield* take("second"), "second")
      assert.strictEqual(state.lookups, 2)
      // What is as it was refuses too, and is looked up no more than once for it.
      const refused = yield* Effect.flip(take("third"))
      assert.strictEqual(refused._tag, "@devops-mcp/domain/Errors/Unauthenticated")
      assert.strictEqual(state.lookups, 3)
    })
  )

  it.effect("looks up once only what it does not know yet", () =>
    Effect.gen(function* () {
      const { state, take } = yield* setup
      yield* Effect.flip(take("another"))
      assert.strictEqual(state.lookups, 1)
    })
  )

  it.effect("knows that a webhook is gone when the database takes nothing more for it", () =>
    Effect.gen(function* () {
      const { state, take, targets } = yield* setup
      yield* take("first")
      state.stored = undefined
      const failed = (retryable: boolean) =>
        targets.use(id, () => Effect.fail(new StoreError({ operation: "accept", retryable, cause: "no such webhook" })))
      // An outage says nothing about the webhook.
      assert.strictEqual((yield* Effect.flip(failed(true)))._tag, "@devops-mcp/core/ports/StoreError")
      assert.strictEqual(state.lookups, 1)
      assert.strictEqual((yield* Effect.flip(failed(false)))._tag, "@devops-mcp/domain/Errors/NotFound")
      // Nor is it remembered that there is none.
      state.stored = targetNamed("again")
      assert.strictEqual(yield* take("again"), "again")
    })
  )

  it.effect("takes a delivery's own faults for what they are, and forgets when it is told to", () =>
    Effect.gen(function* () {
      const { state, take, targets } = yield* setup
      yield* take("first")
      yield* Effect.flip(
        targets.use(id, () => Effect.fail(new InvalidInput({ pointer: "/body", detail: "The body is not JSON" })))
      )
      assert.strictEqual(state.lookups, 1)
      yield* targets.forget(id)
      yield* take("first")
      assert.strictEqual(state.lookups, 2)
    })
  )
})
