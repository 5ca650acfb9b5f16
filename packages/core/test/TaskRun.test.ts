import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { Job } from "@devops-mcp/contract/Jobs"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { type Change, Changes } from "@devops-mcp/core/changes/Changes"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { type RunEnd, TaskRepository } from "@devops-mcp/core/ports/TaskRepository"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { MoreTaskRunners, type TaskRunner } from "@devops-mcp/core/tasks/TaskRunner"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { TaskId, TenantId } from "@devops-mcp/domain/Ids"
import type { TaskProgress } from "@devops-mcp/domain/Task"
import { freshId } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Deferred, Effect, Fiber, Layer, References } from "effect"
import { TestClock } from "effect/testing"

const job = Job.cases.RunTask.make({ tenantId: freshId(TenantId), taskId: freshId(TaskId) })

/** Runs a task on a store in memory that tells what it was asked to keep. */
const running = Effect.fnUntraced(function* (
  run: TaskRunner["run"],
  options: {
    readonly isRunning?: Effect.Effect<boolean, StoreError>
    readonly touch?: Effect.Effect<void, StoreError>
    readonly kind?: string
  } = {}
) {
  const progress: Array<typeof TaskProgress.Type> = []
  const ends: Array<RunEnd> = []
  const beats: Array<number> = []
  const Repository = Layer.mock(TaskRepository, {
    take: (tenantId, id) =>
      Effect.succeedSome({
        id,
        kind: options.kind ?? "probe",
        principal: { tenantId, credential: "jwt", actor: "ada", name: "Ada", role: "agent", scopes: [] },
        input: {},
        answers: {},
        run: 1
      }),
    isRunning: () => options.isRunning ?? Effect.succeed(true),
    setProgress: (_tenant, _id, _run, latest) => Effect.sync(() => void progress.push(latest)),
    end: (_tenant, _id, _run, end) =>
      Effect.sync(() => {
        ends.push(end)
        return true
      }),
    touch: (_tenant, _id, run, now) =>
      Effect.andThen(
        options.touch ?? Effect.void,
        Effect.sync(() => void beats.push(run, DateTime.toEpochMillis(now) / 1000))
      )
  })
  const services = yield* Layer.build(
    Tasks.layer.pipe(
      Layer.provideMerge(Changes.layer.pipe(Layer.provide(BusMemory.layer))),
      Layer.provide([
        Repository,
        Layer.mock(JobQueue, {}),
        Layer.mock(Transactions, {}),
        Layer.mock(Tools, { kinds: [] }),
        Layer.mock(Audit, {}),
        Layer.succeed(MoreTaskRunners, [{ kind: "probe", run }]),
        Layer.succeed(References.MinimumLogLevel, "None")
      ]),
      Layer.provide(NodeCrypto.layer)
    )
  )
  const changes: Array<Change> = []
  yield* Context.get(services, Changes).listen((change) => changes.push(change))
  const fiber = yield* Effect.forkChild(Context.get(services, Tasks).run(job), { startImmediately: true })
  return { progress, ends, beats, changes, fiber }
})

describe("a run of a task", () => {
  it.effect("notices by itself that its task is no longer its own, whatever the database did in between", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const down = new StoreError({ operation: "isRunning", retryable: true, cause: new Error("down") })
      let looks = 0
      const { changes, ends, fiber } = yield* running(
        () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)),
        {
          isRunning: Effect.suspend(() => {
            looks++
            return looks === 1 ? Effect.fail(down) : Effect.succeed(looks < 3)
          })
        }
      )
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([looks, yield* Deferred.isDone(interrupted)], [2, false])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.isTrue(yield* Deferred.isDone(interrupted))
      assert.deepStrictEqual([ends, changes], [[], []])
    })
  )

  it.effect("publishes its progress a few times a second, the newest always", () =>
    Effect.gen(function* () {
      const { fiber, progress } = yield* running((task) =>
        Effect.gen(function* () {
          yield* Effect.forEach(
            Array.from({ length: 100 }, (_, index) => index + 1),
            (n) => Effect.andThen(task.progress({ progress: n, total: 100 }), Effect.sleep("10 millis"))
          )
          yield* Effect.sleep("1 second")
          return { isError: false }
        })
      )
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      assert.isAtLeast(progress.length, 4)
      assert.isAtMost(progress.length, 5)
      assert.deepStrictEqual(progress.at(-1), { progress: 100, total: 100 })
    })
  )

  it.effect("announces its progress about once a second, the newest always, and never for nothing", () =>
    Effect.gen(function* () {
      const { changes, fiber, progress } = yield* running((task) =>
        Effect.gen(function* () {
          yield* Effect.forEach(
            Array.from({ length: 50 }, (_, index) => index + 1),
            (n) => Effect.andThen(task.progress({ progress: n, total: 50 }), Effect.sleep("100 millis"))
          )
          return yield* Effect.never
        })
      )
      yield* TestClock.adjust("5 seconds")
      assert.isAtLeast(changes.length, 5)
      assert.isAtMost(changes.length, 6)
      yield* TestClock.adjust("2 seconds")
      const announced = changes.length
      assert.deepStrictEqual(progress.at(-1), { progress: 50, total: 50 })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(changes.length, announced)
      assert.deepStrictEqual(changes.at(-1), { _tag: "TaskChanged", tenantId: job.tenantId, taskId: job.taskId })
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("says every minute that it is alive, sooner after a time without a database, and no more at its end", () =>
    Effect.gen(function* () {
      const down = new StoreError({ operation: "touch", retryable: true, cause: new Error("down") })
      let touches = 0
      const { beats, fiber } = yield* running(() => Effect.as(Effect.sleep("150 seconds"), { isError: false }), {
        touch: Effect.suspend(() => (++touches === 2 ? Effect.fail(down) : Effect.void))
      })
      yield* TestClock.adjust("150 seconds")
      yield* Fiber.join(fiber)
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(beats, [1, 60, 1, 122])
    })
  )

  it.effect("announces its end, after it was stored", () =>
    Effect.gen(function* () {
      const { changes, ends, fiber } = yield* running(() => Effect.succeed({ structured: { a: 1 }, isError: false }))
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(ends, [{ status: "completed", result: { structured: { a: 1 }, isError: false } }])
      assert.deepStrictEqual(changes, [{ _tag: "TaskChanged", tenantId: job.tenantId, taskId: job.taskId }])
    })
  )

  it.effect("fails a task of a kind that nothing here does, and one whose result is too large to keep", () =>
    Effect.gen(function* () {
      const unknown = yield* running(() => Effect.succeed({ isError: false }), { kind: "gone" })
      yield* Fiber.join(unknown.fiber)
      const large = yield* running(() => Effect.succeed({ structured: { a: "x".repeat(4_000_000) }, isError: false }))
      yield* Fiber.join(large.fiber)
      const codes = [...unknown.ends, ...large.ends].map((end) => (end.status === "failed" ? end.error.code : end))
      assert.deepStrictEqual(codes, ["unknown_kind", "result_too_large"])
    })
  )
})
