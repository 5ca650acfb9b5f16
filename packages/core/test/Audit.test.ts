import { type Act, Audit } from "@devops-mcp/core/audit/Audit"
import { scopesOf } from "@devops-mcp/core/Policy"
import { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { freshId } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Queue, Ref, Scope } from "effect"
import { TestClock } from "effect/testing"

const principal: Principal = {
  tenantId: freshId(TenantId),
  credential: "api_key",
  actor: freshId(ApiKeyId),
  name: "ci",
  role: "agent",
  scopes: scopesOf("agent")
}

const act = (action: string): Act => ({ principal, action, outcome: "ok", requestId: "r", durationMs: 1 })

const names = (count: number) => Array.from({ length: count }, (_, index) => `act ${index}`)

const down = (retryable: boolean) =>
  new StoreError({ operation: "audit_log.append", retryable, cause: new Error("down") })

/** An audit on a store that does what the test says at each batch, with the scope that is its program. */
const started = Effect.fnUntraced(function* (onAppend: (attempt: number) => Effect.Effect<void, StoreError>) {
  const attempts = yield* Ref.make(0)
  const written = yield* Queue.unbounded<ReadonlyArray<string>>()
  const repository = Layer.mock(AuditRepository, {
    append: (entries) =>
      Effect.gen(function* () {
        yield* onAppend(yield* Ref.updateAndGet(attempts, (count) => count + 1))
        assert.isTrue(
          entries.every(({ tenantId, entry }) => tenantId === principal.tenantId && entry.actor === principal.actor)
        )
        yield* Queue.offer(
          written,
          entries.map(({ entry }) => entry.action)
        )
      })
  })
  const scope = yield* Scope.make()
  const context = yield* Layer.build(Layer.fresh(Audit.layer).pipe(Layer.provide([repository, NodeCrypto.layer]))).pipe(
    Scope.provide(scope)
  )
  return { audit: Context.get(context, Audit), attempts, written, scope }
})

describe("Audit", () => {
  it.effect("writes acts in their order, what came meanwhile in few batches that the store can take", () =>
    Effect.gen(function* () {
      const [writing, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { audit, written } = yield* started(() =>
        Effect.andThen(Deferred.succeed(writing, undefined), Deferred.await(go))
      )
      yield* audit.record(act("first"))
      yield* Deferred.await(writing)
      const later = names(9_000)
      yield* Effect.forEach(later, (name) => audit.record(act(name)), { discard: true })
      yield* Deferred.succeed(go, undefined)
      const batches: Array<ReadonlyArray<string>> = []
      while (batches.flat().length < later.length + 1) batches.push(yield* Queue.take(written))
      assert.deepStrictEqual(batches.flat(), ["first", ...later])
      assert.isAtMost(batches.length, 30)
      assert.isAtMost(Math.max(...batches.map((batch) => batch.length)), 1_000)
    })
  )

  it.effect("keeps trying while the store says that it may work later", () =>
    Effect.gen(function* () {
      const { attempts, audit, written } = yield* started((attempt) =>
        attempt <= 3 ? Effect.fail(down(true)) : Effect.void
      )
      yield* audit.record(act("kept"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Queue.take(written), ["kept"])
      assert.strictEqual(yield* Ref.get(attempts), 4)
    })
  )

  it.effect("goes on after a batch that the store will never take", () =>
    Effect.gen(function* () {
      const { attempts, audit, written } = yield* started((attempt) =>
        attempt === 1 ? Effect.fail(down(false)) : Effect.void
      )
      yield* audit.record(act("lost"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Ref.get(attempts), 1)
      yield* audit.record(act("kept"))
      assert.deepStrictEqual(yield* Queue.take(written), ["kept"])
    })
  )

  it.effect("writes everything before the program ends, the batch under way too", () =>
    Effect.gen(function* () {
      const [writing, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { audit, scope, written } = yield* started((attempt) =>
        attempt === 1 ? Effect.andThen(Deferred.succeed(writing, undefined), Deferred.await(go)) : Effect.void
      )
      yield* audit.record(act("first"))
      yield* Deferred.await(writing)
      const later = names(3_000)
      yield* Effect.forEach(later, (name) => audit.record(act(name)), { discard: true })
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      assert.isUndefined(closing.pollUnsafe())
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual((yield* Queue.clear(written)).flat(), ["first", ...later])
    })
  )
})
