import { JobQueue, type PreparedJobs } from "@devops-mcp/core/ports/JobQueue"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { makeAcceptance } from "@devops-mcp/core/webhooks/Acceptance"
import { DeliveryId, TenantId, WebhookId } from "@devops-mcp/domain/Ids"
import type { Delivery } from "@devops-mcp/domain/Webhook"
import { acceptanceTimeout, deliveriesTogether } from "@devops-mcp/resilience/Policies"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Duration, Effect, Exit, Fiber, Latch, Layer } from "effect"
import { TestClock } from "effect/testing"

const deliveryOf = (externalId: string): Delivery => ({
  id: freshId(DeliveryId),
  webhookId: freshId(WebhookId),
  source: "github",
  externalId,
  eventType: "push",
  payload: {},
  receivedAt: DateTime.makeUnsafe(0)
})

/** A store whose transactions end when its gate is open, and that cannot take what is called `bad`. */
const makeStore = () => {
  const gate = Latch.makeUnsafe(true)
  const transactions: Array<{ readonly tenantId: TenantId; readonly names: ReadonlyArray<string> }> = []
  const offered: Array<{ readonly id: string; readonly span: string }> = []
  const woken: Array<string> = []
  let failure: StoreError | undefined
  const layer = Layer.mergeAll(
    Layer.mock(WebhookRepository, {
      accept: Effect.fnUntraced(function* (tenantId: TenantId, given: ReadonlyArray<Delivery>, { rows }: PreparedJobs) {
        yield* gate.await
        transactions.push({ tenantId, names: given.map(({ externalId }) => externalId) })
        if (failure !== undefined) return yield* failure
        if (given.some(({ externalId }) => externalId === "bad")) {
          return yield* new StoreError({ operation: "accept", retryable: false, cause: "bad" })
        }
        rows.forEach(({ content, id }, at) => {
          if (given[at]?.externalId !== "known") offered.push({ id, span: content })
        })
        return given.map(({ externalId, id }) => ({ deliveryId: id, duplicate: externalId === "known" }))
      })
    }),
    Layer.mock(JobQueue, {
      prepare: (jobs) =>
        Effect.sync(() => ({
          store: "jobs" as const,
          rows: jobs.map(({ cause, id }) => ({
            queue: "deliveries" as const,
            id,
            group: id,
            content: cause?.name ?? "",
            traceparent: undefined,
            delay: Duration.zero
          })),
          written: (committed) =>
            Effect.sync(() => {
              for (const { id } of committed) woken.push(id)
            })
        }))
    })
  )
  return {
    gate,
    transactions,
    offered,
    woken,
    layer,
    fail: (error: StoreError) => {
      failure = error
    }
  }
}

const started = Effect.fnUntraced(function* (store: ReturnType<typeof makeStore>, tenantId: TenantId) {
  const accept = yield* makeAcceptance
  const begin = (name: string, tenant = tenantId) =>
    Effect.forkChild(Effect.withSpan(accept(tenant, deliveryOf(name), undefined), `request ${name}`, { root: true }), {
      startImmediately: true
    })
  store.gate.closeUnsafe()
  return { begin, busy: yield* begin("first") }
})

const ended = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) => Effect.forEach(fibers, Fiber.await)

describe("accepting deliveries", () => {
  it.effect("writes at once what comes alone, and together what comes while others are written", () => {
    const store = makeStore()
    const tenantId = freshId(TenantId)
    return Effect.gen(function* () {
      const { begin, busy } = yield* started(store, tenantId)
      const names = ["known", ...Array.from({ length: deliveriesTogether }, (_, index) => `later-${index}`)]
      const fibers = yield* Effect.forEach(names, (name) => begin(name))
      const other = yield* begin("elsewhere", freshId(TenantId))
      yield* store.gate.open
      const exits = yield* ended([busy, ...fibers, other])
      assert.isTrue(exits.every(Exit.isSuccess))
      // Another tenant waits for nobody of this one.
      assert.deepStrictEqual(
        store.transactions.map(({ names: together }) => together),
        [["first"], ["elsewhere"], names.slice(0, deliveriesTogether), names.slice(deliveriesTogether)]
      )
      assert.deepStrictEqual(
        store.transactions.map((transaction) => transaction.tenantId === tenantId),
        [true, false, true, true]
      )
      // What is known has no second job, and each job belongs to its request's trace.
      assert.deepStrictEqual(
        store.offered.map(({ span }) => span),
        ["first", "elsewhere", ...names.slice(1)].map((name) => `request ${name}`)
      )
      yield* Fiber.await(yield* begin("after"))
      assert.deepStrictEqual(
        store.woken.slice(0, names.length + 1),
        store.offered.slice(0, names.length + 1).map(({ id }) => id)
      )
    }).pipe(Effect.provide(store.layer))
  })

  it.effect("does not keep others from what cannot be written", () => {
    const store = makeStore()
    return Effect.gen(function* () {
      const { begin, busy } = yield* started(store, freshId(TenantId))
      const fibers = yield* Effect.forEach(["a", "bad", "b"], (name) => begin(name))
      yield* store.gate.open
      yield* Fiber.await(busy)
      assert.deepStrictEqual((yield* ended(fibers)).map(Exit.isSuccess), [true, false, true])
    }).pipe(Effect.provide(store.layer))
  })

  it.effect("tells all of them at once when there is nothing to write to", () => {
    const store = makeStore()
    return Effect.gen(function* () {
      const { begin, busy } = yield* started(store, freshId(TenantId))
      const fibers = yield* Effect.forEach(["a", "b", "c"], (name) => begin(name))
      store.fail(new StoreError({ operation: "accept", retryable: true, cause: "down" }))
      yield* store.gate.open
      const exits = yield* ended([busy, ...fibers])
      assert.isTrue(exits.every(Exit.isFailure))
      assert.strictEqual(store.transactions.length, 2)
    }).pipe(Effect.provide(store.layer))
  })

  it.effect(
    "tells who has waited too long for a transaction that hangs, and writes what comes once it has ended",
    () => {
      const store = makeStore()
      return Effect.gen(function* () {
        const { begin, busy } = yield* started(store, freshId(TenantId))
        const behind = yield* begin("behind")
        yield* TestClock.adjust(acceptanceTimeout)
        for (const exit of yield* ended([busy, behind])) {
          assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause))
        }
        yield* store.gate.open
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(yield* begin("later"))))
        const written = store.transactions.flatMap(({ names }) => names)
        assert.notInclude(written, "first")
        assert.strictEqual(written.at(-1), "later")
      }).pipe(Effect.provide(store.layer))
    }
  )

  it.effect("writes for the others when one of them no longer waits", () => {
    const store = makeStore()
    return Effect.gen(function* () {
      const { begin, busy } = yield* started(store, freshId(TenantId))
      const [gone, ...others] = yield* Effect.forEach(["gone", "a", "b"], (name) => begin(name))
      if (gone !== undefined) yield* Fiber.interrupt(gone)
      yield* store.gate.open
      assert.isTrue((yield* ended([busy, ...others])).every(Exit.isSuccess))
      assert.deepStrictEqual(store.transactions.at(-1)?.names, ["a", "b"])
    }).pipe(Effect.provide(store.layer))
  })
})
