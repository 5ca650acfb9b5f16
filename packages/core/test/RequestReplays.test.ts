import {
  AnswerNotKept,
  type KeptAnswer,
  type KeyedRequest,
  KeyReused,
  longestKeptAnswer,
  RequestReplays,
  StillRunning
} from "@devops-mcp/core/idempotency/RequestReplays"
import { RequestReplayRepository } from "@devops-mcp/core/ports/RequestReplayRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { Secrets } from "@devops-mcp/core/secrets/Secrets"
import { TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { requestReplayRepositoryConformance } from "@devops-mcp/testing/conformance/RequestReplayRepository"
import { freshId, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as RequestReplaysMemory from "@devops-mcp/testing/RequestReplaysMemory"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Ref, References, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"

requestReplayRepositoryConformance(
  "memory",
  RequestReplaysMemory.layer,
  Effect.sync(() => freshId(TenantId))
)

const ada: Principal = {
  tenantId: freshId(TenantId),
  credential: "jwt",
  actor: "ada",
  name: "Ada",
  role: "agent",
  scopes: []
}

const request: KeyedRequest = { key: "k", method: "POST", path: "/things", body: '{"a":1,"b":[2]}' }

const created: KeptAnswer = { status: 201, headers: { etag: '"1"' }, body: "made, with s3cret" }

const keep = (answer: KeptAnswer) => Effect.succeedSome(answer)

/** The use-case of one process; several can be on the same rows. */
const onRows = <A>(repository: Layer.Layer<A | RequestReplayRepository>) =>
  Layer.fresh(RequestReplays.layer).pipe(
    Layer.provide(Secrets.layer),
    Layer.provideMerge(repository),
    Layer.provide([TestSigningKey, NodeCrypto.layer]),
    Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
  )

const process_ = <A>(repository: Layer.Layer<A | RequestReplayRepository>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    return { scope, services: yield* Layer.build(onRows(repository)).pipe(Scope.provide(scope)) }
  })

const withReplays = Effect.provide(onRows(RequestReplaysMemory.layer))

/** Runs the request, counting. */
const makeCounted = Effect.gen(function* () {
  const count = yield* Ref.make(0)
  const replays = yield* RequestReplays
  return {
    replays,
    count: Ref.get(count),
    run: (principal = ada, changes: Partial<KeyedRequest> = {}, answer = created) =>
      replays.run(
        principal,
        { ...request, ...changes },
        Effect.as(
          Ref.update(count, (n) => n + 1),
          answer
        ),
        keep
      )
  }
})

describe("RequestReplays", () => {
  it.effect("carries a request out once and gives its answer again, for a day", () =>
    Effect.gen(function* () {
      const { count, run } = yield* makeCounted
      assert.deepStrictEqual(yield* run(), { _tag: "Executed", value: created })
      assert.deepStrictEqual(yield* run(ada, { body: ' { "b": [2], "a": 1 }' }), { _tag: "Replayed", answer: created })
      yield* TestClock.adjust("23 hours")
      assert.deepInclude(yield* run(), { _tag: "Replayed" })
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* run(), { _tag: "Executed" })
      assert.strictEqual(yield* count, 2)
    }).pipe(withReplays)
  )

  it.effect.prop(
    "takes any other body for another request, and JSON in another order for the same",
    { first: Schema.Record(Schema.String, Schema.Json), second: Schema.Record(Schema.String, Schema.Json) },
    ({ first, second }) =>
      Effect.gen(function* () {
        const { run } = yield* makeCounted
        const text = (value: unknown) => JSON.stringify(value)
        const reversed = (value: object) => Object.fromEntries(Object.entries(value).toReversed())
        yield* run(ada, { body: text(first) })
        assert.deepInclude(yield* run(ada, { body: text(reversed(first)) }), { _tag: "Replayed" })
        const other = yield* Effect.exit(run(ada, { body: text({ ...second, mark: [first] }) }))
        assert.deepStrictEqual(other, Exit.fail(new KeyReused()))
      }).pipe(withReplays),
    { arbitrary: { runs: 30 } }
  )

  it.effect("refuses another path, method or body under the key, and knows each caller's own keys", () =>
    Effect.gen(function* () {
      const { count, run } = yield* makeCounted
      yield* run()
      for (const changes of [{ path: "/others" }, { method: "PUT" }, { body: "{}" }, { body: "not JSON" }]) {
        assert.deepStrictEqual(yield* Effect.flip(run(ada, changes)), new KeyReused())
      }
      const others: ReadonlyArray<Principal> = [
        { ...ada, actor: "eve" },
        { ...ada, credential: "api_key" },
        { ...ada, tenantId: freshId(TenantId) }
      ]
      for (const other of others) assert.deepInclude(yield* run(other), { _tag: "Executed" })
      assert.strictEqual(yield* count, 4)
    }).pipe(withReplays)
  )

  it.effect("keeps no secret of a request or an answer in its rows", () =>
    Effect.gen(function* () {
      const { run } = yield* makeCounted
      yield* run(ada, { body: '{"secret":"s3cret"}' })
      const rows = JSON.stringify([...(yield* RequestReplaysMemory.ReplayRows)])
      assert.include(rows, "dms1.")
      assert.notInclude(rows, "s3cret")
    }).pipe(withReplays)
  )

  it.effect("tells a twin to wait, goes on when its client is gone, and answers who comes back", () =>
    Effect.gen(function* () {
      const replays = yield* RequestReplays
      const [begun, finish] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const execute = Deferred.succeed(begun, undefined).pipe(
        Effect.andThen(Deferred.await(finish)),
        Effect.as(created)
      )
      const first = yield* Effect.forkChild(replays.run(ada, request, execute, keep))
      yield* Deferred.await(begun)
      const twin = replays.run(ada, request, Effect.die("ran twice"), keep)
      assert.deepStrictEqual(yield* Effect.flip(twin), new StillRunning())
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* Effect.flip(twin), new StillRunning())
      yield* Deferred.succeed(finish, undefined)
      const isRunning = (error: unknown) => error instanceof StillRunning
      assert.deepStrictEqual(yield* Effect.retry(twin, { while: isRunning }), { _tag: "Replayed", answer: created })
    }).pipe(withReplays)
  )

  it.effect("stops what runs for longer than anything may, and lets it run again", () =>
    Effect.gen(function* () {
      const { replays, run } = yield* makeCounted
      const stopped = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      const endless = Deferred.succeed(begun, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
      )
      const first = yield* Effect.forkChild(replays.run(ada, request, endless, keep))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("11 minutes")
      yield* Deferred.await(stopped)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(first)))
      assert.deepInclude(yield* run(), { _tag: "Executed" })
    }).pipe(withReplays)
  )

  it.effect("lets a request run again that failed, or whose answer is not to be given again", () =>
    Effect.gen(function* () {
      const { count, replays, run } = yield* makeCounted
      assert.strictEqual(yield* Effect.flip(replays.run(ada, request, Effect.fail("no" as const), keep)), "no")
      yield* Effect.exit(replays.run(ada, request, Effect.die("defect"), keep))
      yield* replays.run(ada, request, Effect.succeed(1), () => Effect.succeedNone)
      assert.deepInclude(yield* run(ada, { body: "{}" }), { _tag: "Executed" })
      assert.strictEqual(yield* count, 1)
    }).pipe(withReplays)
  )

  it.effect("does not run a request again whose answer was too large to be kept", () =>
    Effect.gen(function* () {
      const { count, run } = yield* makeCounted
      const large = { ...created, body: "x".repeat(longestKeptAnswer) }
      assert.deepStrictEqual(yield* run(ada, {}, large), { _tag: "Executed", value: large })
      assert.deepStrictEqual(yield* Effect.flip(run()), new AnswerNotKept())
      const nearly = { ...created, body: "x".repeat(longestKeptAnswer - 100) }
      yield* run(ada, { key: "other" }, nearly)
      assert.deepStrictEqual(yield* run(ada, { key: "other" }), { _tag: "Replayed", answer: nearly })
      assert.strictEqual(yield* count, 2)
    }).pipe(withReplays)
  )

  it.effect("lets another process go on a minute after the one that ran it has died", () =>
    Effect.gen(function* () {
      const first = yield* process_(RequestReplaysMemory.layer)
      const shared = Layer.succeedContext(first.services)
      const second = yield* process_(shared)
      // Dead: what it should have written when it ended never arrives.
      const deaf = Layer.effect(
        RequestReplayRepository,
        Effect.map(RequestReplayRepository, (repository) =>
          RequestReplayRepository.of({
            ...repository,
            extend: () => Effect.never,
            release: () => Effect.void,
            answer: () => Effect.never
          })
        )
      ).pipe(Layer.provideMerge(shared))
      const dying = yield* process_(deaf)
      const run = (services: (typeof first)["services"], execute: Effect.Effect<KeptAnswer>) =>
        Effect.provideContext(
          RequestReplays.use((replays) => replays.run(ada, request, execute, keep)),
          services
        )
      yield* Effect.forkChild(run(dying.services, Effect.never), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Scope.close(dying.scope, Exit.void)
      yield* TestClock.adjust("58 seconds")
      assert.deepStrictEqual(yield* Effect.flip(run(second.services, Effect.succeed(created))), new StillRunning())
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* run(second.services, Effect.succeed(created)), { _tag: "Executed" })
      assert.deepInclude(yield* run(first.services, Effect.die("ran twice")), { _tag: "Replayed" })
    })
  )

  it.effect("gives the answer to its client though it could not be kept", () =>
    Effect.gen(function* () {
      const tries = yield* Ref.make(0)
      const tried = yield* Deferred.make<void>()
      const gone = new StoreError({ operation: "answer", retryable: true, cause: new Error("gone") })
      const failing = Layer.effect(
        RequestReplayRepository,
        Effect.map(RequestReplayRepository, (repository) =>
          RequestReplayRepository.of({
            ...repository,
            answer: () =>
              Ref.update(tries, (n) => n + 1).pipe(
                Effect.andThen(Deferred.succeed(tried, undefined)),
                Effect.andThen(Effect.fail(gone))
              )
          })
        )
      ).pipe(Layer.provideMerge(RequestReplaysMemory.layer))
      const { services } = yield* process_(failing)
      const run = Effect.provideContext(
        Effect.flatMap(makeCounted, (counted) => counted.run()),
        services
      )
      const fiber = yield* Effect.forkChild(run, { startImmediately: true })
      yield* Deferred.await(tried)
      yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => fiber.pollUnsafe() !== undefined })
      assert.deepStrictEqual(yield* Fiber.join(fiber), { _tag: "Executed", value: created })
      assert.strictEqual(yield* Ref.get(tries), 4)
      assert.deepStrictEqual(yield* Effect.flip(run), new StillRunning())
    })
  )
})
