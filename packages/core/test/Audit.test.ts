import { type Act, Audit } from "@devops-mcp/core/audit/Audit"
import { scopesOf } from "@devops-mcp/core/Policy"
import { AuditRepository } from "@devops-mcp/core/ports/AuditRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { AuditEntry } from "@devops-mcp/domain/Audit"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { ClientAddress, RequestId } from "@devops-mcp/observability/RequestContext"
import { freshId, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Queue, Ref, Scope } from "effect"
import { TestClock } from "effect/testing"

const principal: Principal = {
  tenantId: freshId(TenantId),
  credential: "api_key",
  actor: freshId(ApiKeyId),
  name: "ci",
  role: "agent",
  scopes: scopesOf("agent")
}

const act = (action: string, changes = false): Act => ({
  principal,
  action,
  outcome: "ok",
  changes,
  requestId: "r",
  durationMs: 1
})

const change = (action: string) => act(action, true)

const names = (count: number) => Array.from({ length: count }, (_, index) => `act ${index}`)

const down = (retryable: boolean) =>
  new StoreError({ operation: "audit_log.append", retryable, cause: new Error("down") })

/** An audit on a store that does what the test says at each batch, with the scope that is its program. */
const started = Effect.fnUntraced(function* (
  onAppend: (attempt: number) => Effect.Effect<void, StoreError>,
  poison?: string
) {
  const logged: Array<string> = []
  const Logs = Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))])
  const again: Array<boolean> = []
  const entriesSeen: Array<AuditEntry> = []
  const attempts = yield* Ref.make(0)
  const written = yield* Queue.unbounded<ReadonlyArray<string>>()
  const repository = Layer.mock(AuditRepository, {
    append: (entries, _, isAgain = false) =>
      Effect.gen(function* () {
        again.push(isAgain)
        yield* onAppend(yield* Ref.updateAndGet(attempts, (count) => count + 1))
        if (entries.some(({ entry }) => entry.action === poison)) return yield* down(false)
        entriesSeen.push(...entries.map(({ entry }) => entry))
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
  const context = yield* Layer.build(
    Layer.fresh(Audit.layer).pipe(Layer.provide([repository, TestSigningKey, NodeCrypto.layer, Logs]))
  ).pipe(Scope.provide(scope))
  const made = Context.get(context, Audit)
  const audit: Audit["Service"] = {
    record: (act) => Effect.provide(made.record(act), Logs),
    repeated: (act) => Effect.provide(made.repeated(act), Logs),
    refused: (refusal) => Effect.provide(made.refused(refusal), Logs)
  }
  return { audit, attempts, written, scope, logged, again, entries: entriesSeen }
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

  it.effect("answers a change only once it is on record, and at once then", () =>
    Effect.gen(function* () {
      const [writing, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { audit, written } = yield* started(() =>
        Effect.andThen(Deferred.succeed(writing, undefined), Deferred.await(go))
      )
      const changing = yield* Effect.forkChild(audit.record(change("made")), { startImmediately: true })
      yield* Deferred.await(writing)
      assert.isUndefined(changing.pollUnsafe())
      yield* Deferred.succeed(go, undefined)
      // No time passes on this clock: nothing is collected first.
      yield* Fiber.join(changing)
      assert.deepStrictEqual(yield* Queue.take(written), ["made"])
    })
  )

  it.effect("takes the changes that come meanwhile together, and does not linger for reads before them", () =>
    Effect.gen(function* () {
      const [writing, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { audit, written } = yield* started((attempt) =>
        attempt === 1 ? Effect.andThen(Deferred.succeed(writing, undefined), Deferred.await(go)) : Effect.void
      )
      yield* audit.record(act("read"))
      yield* Deferred.await(writing)
      const changing = yield* Effect.forEach(["a", "b", "c"], (name) =>
        Effect.forkChild(audit.record(change(name)), { startImmediately: true })
      )
      yield* Deferred.succeed(go, undefined)
      yield* Effect.forEach(changing, Fiber.join)
      assert.deepStrictEqual(yield* Queue.clear(written), [["read"], ["a", "b", "c"]])
    })
  )

  it.effect("answers after two seconds when the database does not take the row, says so, and goes on trying", () =>
    Effect.gen(function* () {
      const { audit, logged, written } = yield* started((attempt) =>
        attempt <= 8 ? Effect.fail(down(true)) : Effect.void
      )
      const changing = yield* Effect.forkChild(audit.record(change("late")), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(changing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(changing)
      assert.isTrue(logged.some((line) => line.includes("answered before its audit row") && line.includes("late")))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Queue.take(written), ["late"])
    })
  )

  it.effect("loses of a batch only the row that the database never takes, and says which", () =>
    Effect.gen(function* () {
      const [writing, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { audit, logged, written } = yield* started(
        (attempt) =>
          attempt === 1 ? Effect.andThen(Deferred.succeed(writing, undefined), Deferred.await(go)) : Effect.void,
        "poison"
      )
      yield* audit.record(act("first"))
      yield* Deferred.await(writing)
      yield* Effect.forEach(["a", "poison", "b", "c"], (name) => audit.record(act(name)), { discard: true })
      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Queue.clear(written)).flat(), ["first", "a", "b", "c"])
      assert.strictEqual(logged.filter((line) => line.includes("was lost") && line.includes("poison")).length, 1)
    })
  )

  it.effect("takes a batch that the database does not answer for another attempt at the same rows", () =>
    Effect.gen(function* () {
      const { again, audit, written } = yield* started((attempt) => (attempt === 1 ? Effect.never : Effect.void))
      yield* audit.record(act("kept"))
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(yield* Queue.take(written), ["kept"])
      assert.deepStrictEqual(again, [false, true])
    })
  )

  it.effect("ends in five seconds without a database, and says how many rows are lost", () =>
    Effect.gen(function* () {
      const { audit, logged, scope } = yield* started(() => Effect.fail(down(true)))
      yield* Effect.forEach(names(3), (name) => audit.record(act(name)), { discard: true })
      yield* TestClock.adjust("10 millis")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(closing)
      assert.isTrue(logged.some((line) => line.includes("before the program ended") && line.includes('"rows":3')))
    })
  )

  it.effect("stores of a text what the database can keep, and no more than 500 characters", () =>
    Effect.gen(function* () {
      const { audit, entries } = yield* started(() => Effect.void)
      const odd = { ...act("odd"), target: `a\0\ud800${"x".repeat(600)}`, requestId: "r\0" }
      yield* audit.record({ ...odd, changes: true }).pipe(Effect.provideService(ClientAddress, "::1"))
      const [entry] = entries
      assert.strictEqual(entry?.target, `a\uFFFD\uFFFD${"x".repeat(497)}`)
      assert.strictEqual(entry?.requestId, "r\uFFFD")
      assert.strictEqual(entry?.address, "::1")
      assert.strictEqual(entry?.credential, "api_key")
    })
  )

  it.effect("counts every refusal of a stranger and logs ten a minute, and how many it left out", () =>
    Effect.gen(function* () {
      const { audit, logged } = yield* started(() => Effect.void)
      const refuse = Effect.provideService(audit.refused({ reason: "credential" }), ClientAddress, "203.0.113.9")
      const ours = () => logged.filter((line) => line.includes("refused before its caller"))
      yield* Effect.replicateEffect(refuse, 100)
      assert.strictEqual(ours().length, 10)
      yield* TestClock.adjust("1 minute")
      yield* refuse
      assert.strictEqual(ours().length, 11)
      assert.include(ours()[10], '"omittedBefore":90')
      assert.include(ours()[10], "203.0.113.9")
    })
  )

  it.effect(
    "has two rows a minute for what a caller repeats, whatever the number, and none for what did not happen",
    () =>
      Effect.gen(function* () {
        const { audit, entries } = yield* started(() => Effect.void)
        yield* Effect.replicateEffect(audit.repeated(act("mcp.tools/list")), 1000)
        const refused = audit.refused({ reason: "rate_limit", limit: "credential", principal })
        yield* Effect.replicateEffect(refused, 5).pipe(
          Effect.provideService(RequestId, "r-9"),
          Effect.provideService(ClientAddress, "::1")
        )
        yield* audit.repeated(act("mcp.prompts/list"))
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(
          entries.map(({ action, outcome, target = "" }) => `${action} ${outcome} ${target}`),
          [
            "mcp.tools/list ok ",
            "refused.rate_limit denied credential",
            "mcp.prompts/list ok ",
            "mcp.tools/list ok 999 more",
            "refused.rate_limit denied credential, 4 more"
          ]
        )
        assert.strictEqual(entries[4]?.requestId, "r-9")
        // A new minute begins with a row of its own.
        yield* audit.repeated(act("mcp.tools/list"))
        yield* TestClock.adjust("1 second")
        assert.lengthOf(entries, 6)
      })
  )

  it.effect("tells the number of what was repeated before the program ends", () =>
    Effect.gen(function* () {
      const { audit, entries, scope } = yield* started(() => Effect.void)
      yield* Effect.replicateEffect(audit.repeated(act("mcp.tools/list")), 3)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        entries.map(({ target = "" }) => target),
        ["", "2 more"]
      )
    })
  )
})
