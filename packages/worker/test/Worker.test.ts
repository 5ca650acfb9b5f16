import { Job } from "@devops-mcp/contract/Jobs"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { RequestReplays } from "@devops-mcp/core/idempotency/RequestReplays"
import { Ingest } from "@devops-mcp/core/ingest/Ingest"
import { JobQueue, QueueError } from "@devops-mcp/core/ports/JobQueue"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { DocumentId, TaskId, TenantId } from "@devops-mcp/domain/Ids"
import { queueDepth, queueOldestAge } from "@devops-mcp/observability/Metrics"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { WorkerLive } from "@devops-mcp/worker/Worker"
import { assert, describe, it } from "@effect/vitest"
import {
  ConfigProvider,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Metric,
  Queue,
  Ref,
  References,
  Scope
} from "effect"
import { TestClock } from "effect/testing"

const job = Job.cases.IngestDocument.make({ tenantId: freshId(TenantId), documentId: freshId(DocumentId) })

const down = new QueueError({ operation: "take", retryable: true, cause: new Error("down") })

/** How a taken job ended. */
interface Ended {
  readonly id: string
  readonly as: "done" | "failed" | "given back"
}

/** A worker on a queue in memory; each job does what the test says for its id. */
const started = Effect.fnUntraced(function* (options: {
  readonly run: (id: string) => Effect.Effect<void>
  readonly job?: Job
  readonly runTask?: (id: string) => Effect.Effect<void>
  readonly sweep?: Effect.Effect<void, StoreError>
  readonly upkeep?: AuditTrail["Service"]["upkeep"]
  readonly sweepReplays?: Effect.Effect<void, StoreError>
  readonly concurrency?: string
  readonly take?: Effect.Effect<void, QueueError>
}) {
  const [waiting, ended] = [yield* Queue.unbounded<string>(), yield* Queue.unbounded<Ended>()]
  const queue = Layer.mock(JobQueue, {
    take: (handler) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* options.take ?? Effect.void
          const id = yield* restore(Queue.take(waiting))
          const exit = yield* Effect.exit(restore(handler(options.job ?? job, { id, attempt: 1, lastAttempt: false })))
          const interrupted = Exit.isFailure(exit) && Exit.hasInterrupts(exit)
          yield* Queue.offer(ended, { id, as: Exit.isSuccess(exit) ? "done" : interrupted ? "given back" : "failed" })
        })
      ),
    stats: Effect.succeed({ name: "test", depth: 7, inFlight: 1, deadLetters: 0, oldestAgeSeconds: 42 })
  })
  const ingest = Layer.succeed(Ingest, { run: (_, { id }) => options.run(id) })
  const tasks = Layer.mock(Tasks, {
    sweep: options.sweep ?? Effect.void,
    ...(options.runTask === undefined ? {} : { run: (_, { id }) => options.runTask?.(id) ?? Effect.void })
  })
  const trail = Layer.mock(AuditTrail, { upkeep: options.upkeep ?? (() => Effect.succeed([])) })
  const replays = Layer.mock(RequestReplays, { sweep: options.sweepReplays ?? Effect.void })
  const env = options.concurrency === undefined ? {} : { WORKER_CONCURRENCY: options.concurrency }
  const scope = yield* Scope.make()
  yield* Layer.build(
    Layer.fresh(WorkerLive).pipe(
      Layer.provide([queue, ingest, tasks, trail, replays, ConfigProvider.layer(ConfigProvider.fromUnknown(env))]),
      Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
    )
  ).pipe(Scope.provide(scope))
  return {
    offer: (...ids: ReadonlyArray<string>) => Queue.offerAll(waiting, ids),
    waiting: Queue.size(waiting),
    ended: Queue.take(ended),
    stop: Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
  }
})

const names = (count: number) => Array.from({ length: count }, (_, index) => `job ${index}`)

describe("Worker", () => {
  for (const [concurrency, expected] of [
    [undefined, 16],
    ["1", 1],
    ["3", 3],
    ["256", 256]
  ] as const) {
    it.effect(`runs ${expected} jobs at once with WORKER_CONCURRENCY=${concurrency ?? ""}`, () =>
      Effect.gen(function* () {
        const [running, most] = [yield* Ref.make(0), yield* Ref.make(0)]
        const [full, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const worker = yield* started({
          ...(concurrency === undefined ? {} : { concurrency }),
          run: () =>
            Effect.gen(function* () {
              const now = yield* Ref.updateAndGet(running, (n) => n + 1)
              yield* Ref.update(most, (n) => Math.max(n, now))
              if (now >= expected) yield* Deferred.succeed(full, undefined)
              yield* Deferred.await(release)
              yield* Ref.update(running, (n) => n - 1)
            })
        })
        const jobs = names(expected + 5)
        yield* worker.offer(...jobs)
        yield* Deferred.await(full)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* worker.waiting, 5)
        yield* Deferred.succeed(release, undefined)
        const ended = yield* Effect.forEach(jobs, () => worker.ended)
        assert.sameDeepMembers(
          ended,
          jobs.map((id): Ended => ({ id, as: "done" }))
        )
        assert.strictEqual(yield* Ref.get(most), expected)
        yield* Effect.flatMap(worker.stop, Fiber.join)
      })
    )
  }

  it.effect("refuses a bad WORKER_CONCURRENCY", () =>
    Effect.forEach(
      ["0", "-1", "257", "1.5", "many"],
      Effect.fnUntraced(function* (concurrency) {
        const refused = yield* Effect.flip(started({ concurrency, run: () => Effect.void }))
        assert.strictEqual(refused._tag, "ConfigError", concurrency)
        assert.include(refused.message, "WORKER_CONCURRENCY")
      })
    )
  )

  it.effect("goes on after a job that failed or had a bug", () =>
    Effect.gen(function* () {
      const worker = yield* started({
        concurrency: "1",
        run: (id) => (id === "bug" ? Effect.die(new Error("a bug")) : Effect.void)
      })
      yield* worker.offer("bug", "good")
      assert.deepStrictEqual(
        [yield* worker.ended, yield* worker.ended],
        [
          { id: "bug", as: "failed" },
          { id: "good", as: "done" }
        ]
      )
    })
  )

  it.effect("asks a queue that does not answer again and again, and works when it does", () =>
    Effect.gen(function* () {
      const asked = yield* Ref.make(0)
      const worker = yield* started({
        concurrency: "1",
        run: () => Effect.void,
        take: Effect.flatMap(
          Ref.updateAndGet(asked, (n) => n + 1),
          (n) => (n <= 20 ? Effect.fail(down) : Effect.void)
        )
      })
      yield* worker.offer("patient")
      yield* TestClock.adjust("10 seconds")
      const early = yield* Ref.get(asked)
      assert.isAtLeast(early, 3)
      assert.isAtMost(early, 10)
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(yield* worker.ended, { id: "patient", as: "done" })
    })
  )

  it.effect("lets what runs come to its end before it stops, and takes nothing new", () =>
    Effect.gen(function* () {
      const running = yield* Queue.unbounded<string>()
      const worker = yield* started({
        concurrency: "2",
        run: (id) => Effect.andThen(Queue.offer(running, id), Effect.sleep("5 seconds"))
      })
      yield* worker.offer("first", "second", "third")
      yield* Queue.takeN(running, 2)
      const stopping = yield* worker.stop
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.sameDeepMembers(
        [yield* worker.ended, yield* worker.ended],
        [
          { id: "first", as: "done" },
          { id: "second", as: "done" }
        ]
      )
      yield* worker.offer("fourth")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* worker.waiting, 2)
      assert.strictEqual(yield* Queue.size(running), 0)
    })
  )

  it.effect("gives back what takes too long", () =>
    Effect.gen(function* () {
      const [begun, interrupted] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const worker = yield* started({
        concurrency: "1",
        run: () =>
          Deferred.succeed(begun, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      })
      yield* worker.offer("endless")
      yield* Deferred.await(begun)
      // Time that passed before the stop does not count.
      yield* TestClock.adjust("1 hour")
      const stopping = yield* worker.stop
      yield* TestClock.adjust("7 seconds")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.isTrue(yield* Deferred.isDone(interrupted))
      assert.deepStrictEqual(yield* worker.ended, { id: "endless", as: "given back" })
    })
  )

  it.effect("an idle worker stops at once", () =>
    Effect.gen(function* () {
      const worker = yield* started({ run: () => Effect.void })
      yield* Effect.flatMap(worker.stop, Fiber.join)
      yield* worker.offer("late")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* worker.waiting, 1)
    })
  )

  it.effect("runs tasks, and gives back the one that takes too long", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<string>()
      const worker = yield* started({
        concurrency: "1",
        job: Job.cases.RunTask.make({ tenantId: freshId(TenantId), taskId: freshId(TaskId) }),
        run: () => Effect.die(new Error("not a job of the ingest")),
        runTask: (id) => (id === "short" ? Effect.void : Effect.andThen(Deferred.succeed(begun, id), Effect.never))
      })
      yield* worker.offer("short", "long")
      assert.deepStrictEqual(yield* worker.ended, { id: "short", as: "done" })
      yield* Deferred.await(begun)
      const stopping = yield* worker.stop
      yield* TestClock.adjust("8 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* worker.ended, { id: "long", as: "given back" })
    })
  )

  it.effect("removes expired tasks now and then, also after a time without a database", () =>
    Effect.gen(function* () {
      const swept = yield* Ref.make(0)
      const gone = new StoreError({ operation: "sweep", retryable: true, cause: new Error("down") })
      yield* started({
        run: () => Effect.void,
        sweep: Effect.flatMap(
          Ref.updateAndGet(swept, (n) => n + 1),
          (n) => (n === 1 ? Effect.fail(gone) : Effect.void)
        )
      })
      assert.strictEqual(yield* Ref.get(swept), 0)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* Ref.get(swept), 1)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* Ref.get(swept), 3)
    })
  )

  it.effect("removes answers whose time is over every ten minutes, and goes on when the database was gone", () =>
    Effect.gen(function* () {
      const swept = yield* Ref.make(0)
      const gone = new StoreError({ operation: "sweep", retryable: true, cause: new Error("gone") })
      yield* started({
        run: () => Effect.void,
        sweepReplays: Effect.flatMap(
          Ref.updateAndGet(swept, (n) => n + 1),
          (n) => (n === 1 ? Effect.fail(gone) : Effect.void)
        )
      })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* Ref.get(swept), 1)
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual(yield* Ref.get(swept), 3)
    })
  )

  it.effect("looks after the audit log at once and every hour, for a year unless told otherwise", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const gone = new StoreError({ operation: "upkeep", retryable: true, cause: new Error("gone") })
      yield* started({
        run: () => Effect.void,
        upkeep: (retention) =>
          Effect.suspend(() => {
            asked.push(Duration.toDays(retention))
            return asked.length === 1 ? Effect.fail(gone) : Effect.succeed(["audit_log_2024_01"])
          })
      })
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(asked, [365])
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(asked, [365, 365, 365])
    })
  )

  it.effect("publishes how much waits", () =>
    Effect.gen(function* () {
      yield* started({ run: () => Effect.void })
      yield* TestClock.adjust("5 seconds")
      const valueOf = (gauge: typeof queueDepth) => Metric.value(Metric.withAttributes(gauge, { queue: "test" }))
      assert.deepStrictEqual(
        [yield* valueOf(queueDepth), yield* valueOf(queueOldestAge)],
        [{ value: 7 }, { value: 42 }]
      )
    })
  )
})
