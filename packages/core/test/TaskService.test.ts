import { type Change, Changes } from "@devops-mcp/core/changes/Changes"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { JobQueue, QueueError } from "@devops-mcp/core/ports/JobQueue"
import { TaskFailed } from "@devops-mcp/core/tasks/TaskRunner"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import type { TaskStatus } from "@devops-mcp/domain/Task"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Ref, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { caller, done, endless, question, start, takenJob, TasksLive, work } from "./TaskFakes.ts"
import { figuresOf } from "./Work.ts"

layer(TasksLive, { excludeTestServices: true, timeout: "60 seconds" })("Tasks", (it) => {
  it.effect("is there before its start is answered, and is done by the worker", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const id = yield* start(principal, ({ input, principal }) => done({ input, actor: principal.actor }))
      assert.deepInclude(yield* tasks.get(principal, id), { id, kind: "probe", status: "working" })
      yield* work
      const task = yield* tasks.get(principal, id)
      assert.strictEqual(task.status, "completed")
      assert.deepInclude(task.result, { isError: false })
      assert.deepInclude(task.result?.["structured"], { actor: "ada" })
      assert.deepStrictEqual((yield* tasks.list(principal, { limit: 10 })).items, [task])
    })
  )

  it.effect("is not there when its job could not be queued", () =>
    Effect.gen(function* () {
      const principal = yield* caller
      const down = new QueueError({ operation: "offer", retryable: true, cause: new Error("down") })
      const attempt = Effect.flatMap(Tasks, (tasks) => tasks.start(principal, { kind: "probe", input: {} }))
      const failure = yield* Effect.flip(attempt).pipe(
        Effect.provide(
          Layer.fresh(Tasks.layer).pipe(Layer.provide(Layer.mock(JobQueue, { offer: () => Effect.fail(down) })))
        )
      )
      assert.strictEqual(failure, down)
      assert.deepStrictEqual((yield* (yield* Tasks).list(principal, { limit: 10 })).items, [])
    })
  )

  it.effect("is done once when its job comes again", () =>
    Effect.gen(function* () {
      const [tasks, principal, runs] = [yield* Tasks, yield* caller, yield* Ref.make(0)]
      const id = yield* start(principal, () =>
        Effect.flatMap(
          Ref.updateAndGet(runs, (n) => n + 1),
          (n) => done({ n })
        )
      )
      const job = yield* takenJob
      yield* tasks.run(job)
      const first = yield* tasks.get(principal, id)
      yield* tasks.run(job)
      assert.strictEqual(yield* Ref.get(runs), 1)
      assert.deepStrictEqual(yield* tasks.get(principal, id), first)
    })
  )

  it.effect("is done again from its beginning after a worker died in the middle", () =>
    Effect.gen(function* () {
      const [tasks, principal, runs] = [yield* Tasks, yield* caller, yield* Ref.make(0)]
      const { begun, interrupted, run } = yield* endless
      const id = yield* start(principal, () =>
        Effect.flatMap(
          Ref.updateAndGet(runs, (n) => n + 1),
          (n) => (n === 1 ? run() : done({ n }))
        )
      )
      const dying = yield* Effect.forkChild(work)
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(dying)
      yield* Deferred.await(interrupted)
      assert.strictEqual((yield* tasks.get(principal, id)).status, "working")
      yield* work
      assert.deepStrictEqual((yield* tasks.get(principal, id)).result, { structured: { n: 2 }, isError: false })
    })
  )

  it.effect("belongs to the run that took it last: the one before is interrupted and stores nothing", () =>
    Effect.gen(function* () {
      const [tasks, principal, runs] = [yield* Tasks, yield* caller, yield* Ref.make(0)]
      const { begun, interrupted, run } = yield* endless
      const id = yield* start(principal, () =>
        Effect.flatMap(
          Ref.updateAndGet(runs, (n) => n + 1),
          (n) => (n === 1 ? run() : done({ n }))
        )
      )
      const job = yield* takenJob
      const first = yield* Effect.forkChild(tasks.run(job))
      yield* Deferred.await(begun)
      yield* tasks.run(job)
      yield* Deferred.await(interrupted)
      yield* Fiber.join(first)
      assert.deepStrictEqual((yield* tasks.get(principal, id)).result, { structured: { n: 2 }, isError: false })
    })
  )

  it.effect("is interrupted when it is cancelled, and its job is done", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const { begun, interrupted, run } = yield* endless
      const id = yield* start(principal, run)
      const running = yield* Effect.forkChild(work)
      yield* Deferred.await(begun)
      const cancelled = yield* tasks.cancel(principal, id)
      assert.strictEqual(cancelled.status, "cancelled")
      yield* Deferred.await(interrupted)
      yield* Fiber.join(running)
      assert.deepInclude(yield* figuresOf(principal.tenantId, "tasks"), { depth: 0, inFlight: 0, deadLetters: 0 })
      assert.deepStrictEqual(yield* tasks.cancel(principal, id), cancelled)
    })
  )

  it.effect("stays cancelled when its work cannot be interrupted and comes to its end", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const [begun, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const id = yield* start(principal, () =>
        Effect.uninterruptible(
          Effect.andThen(Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(release)), done({}))
        )
      )
      const running = yield* Effect.forkChild(work)
      yield* Deferred.await(begun)
      const cancelled = yield* tasks.cancel(principal, id)
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* tasks.get(principal, id), cancelled)
    })
  )

  it.effect("is not begun when it was cancelled before a worker came", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const id = yield* start(principal, () => Effect.die(new Error("begun")))
      yield* tasks.cancel(principal, id)
      yield* work
      assert.strictEqual((yield* tasks.get(principal, id)).status, "cancelled")
    })
  )

  it.effect("asks its owner, takes the answers one by one, and is run again with all of them", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const id = yield* start(principal, (task) =>
        Effect.gen(function* () {
          const both = yield* task.ask({ name: question, size: question })
          const last = yield* task.ask({ sure: question })
          return { structured: { ...both, ...last }, isError: false }
        })
      )
      yield* work
      const asked = yield* tasks.get(principal, id)
      assert.deepStrictEqual(
        [asked.status, asked.inputRequests],
        ["input_required", { name: question, size: question }]
      )
      yield* tasks.update(principal, id, { size: 7, unknown: true })
      assert.deepStrictEqual((yield* tasks.get(principal, id)).inputRequests, { name: question })
      yield* tasks.update(principal, id, { name: "x", size: 8 })
      assert.strictEqual((yield* tasks.get(principal, id)).status, "working")
      yield* work
      assert.deepStrictEqual((yield* tasks.get(principal, id)).inputRequests, { sure: question })
      yield* tasks.update(principal, id, { sure: false })
      yield* work
      const { result } = yield* tasks.get(principal, id)
      assert.deepStrictEqual(result, { structured: { name: "x", size: 7, sure: false }, isError: false })
      yield* tasks.update(principal, id, { sure: true })
      assert.deepStrictEqual((yield* tasks.get(principal, id)).result, result)
    })
  )

  it.effect("fails at once when its work says so, and reports errors of the work as results", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const failing = yield* start(principal, () => Effect.fail(new TaskFailed({ code: "no_luck", detail: "No luck" })))
      yield* work
      const reporting = yield* start(principal, () => Effect.succeed({ content: [{ type: "text" }], isError: true }))
      yield* work
      const failed = yield* tasks.get(principal, failing)
      assert.deepInclude(failed, { status: "failed", error: { code: "no_luck", detail: "No luck" } })
      assert.isUndefined(failed.result)
      assert.deepInclude(yield* tasks.get(principal, reporting), {
        status: "completed",
        result: { content: [{ type: "text" }], isError: true }
      })
      assert.deepInclude(yield* figuresOf(principal.tenantId, "tasks"), { depth: 0, deadLetters: 0 })
    })
  )

  it.effect("is tried again after a bug, fails at the last attempt without telling it, and stays failed", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const id = yield* start(principal, () => Effect.die(new Error("secret of ours")))
      yield* work
      assert.strictEqual((yield* tasks.get(principal, id)).status, "working")
      yield* work
      const { error, status } = yield* tasks.get(principal, id)
      assert.deepStrictEqual([status, error?.code], ["failed", "internal_error"])
      assert.notInclude(error?.detail, "secret")
      assert.strictEqual((yield* figuresOf(principal.tenantId, "tasks")).deadLetters, 1)
      assert.strictEqual(yield* (yield* DeadLetters).redrive(principal.tenantId, "tasks"), 1)
      yield* work
      assert.strictEqual((yield* tasks.get(principal, id)).status, "failed")
      assert.strictEqual((yield* figuresOf(principal.tenantId, "tasks")).deadLetters, 0)
    })
  )

  it.effect("is given up when its worker is gone, tells its listeners so, and is not run again", () =>
    Effect.gen(function* () {
      const [tasks, changes, principal, sql] = [yield* Tasks, yield* Changes, yield* caller, yield* SqlClient.SqlClient]
      const waiting = yield* start(principal, () => done({}))
      yield* takenJob
      const { begun, interrupted, run } = yield* endless
      const id = yield* start(principal, run)
      const job = yield* takenJob
      const running = yield* Effect.forkChild(tasks.run(job))
      yield* Deferred.await(begun)
      yield* tasks.sweep
      assert.strictEqual((yield* tasks.get(principal, id)).status, "working")
      yield* sql`update tasks set seen_at = now() - interval '11 minutes' where id = ${id}`
      yield* sql`update tasks set updated_at = now() - interval '1 day' where id = ${waiting}`
      const heard: Array<Change> = []
      yield* changes.listen((change) => heard.push(change))
      yield* tasks.sweep
      yield* Deferred.await(interrupted)
      yield* Fiber.join(running)
      const { error, status } = yield* tasks.get(principal, id)
      assert.deepStrictEqual([status, error?.code], ["failed", "worker_lost"])
      assert.deepStrictEqual(heard, [{ _tag: "TaskChanged", tenantId: principal.tenantId, taskId: id }])
      yield* tasks.run(job)
      assert.strictEqual((yield* tasks.get(principal, id)).status, "failed")
      assert.strictEqual((yield* tasks.get(principal, waiting)).status, "working")
    })
  )

  it.effect("is given up without another run when each has ended its worker", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const ran = yield* Ref.make(false)
      const id = yield* start(principal, () => Effect.andThen(Ref.set(ran, true), done({})))
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`update jobs set attempts = 2`)
      yield* work
      const { error, status } = yield* tasks.get(principal, id)
      assert.deepStrictEqual([yield* Ref.get(ran), status, error?.code], [false, "failed", "worker_lost"])
      assert.strictEqual((yield* figuresOf(principal.tenantId, "tasks")).deadLetters, 1)
    })
  )

  const Step = Schema.Literals(["run", "redeliver", "ask", "fail", "bug", "answer", "answer half", "cancel"])
  const allowed: Readonly<Record<TaskStatus, ReadonlyArray<TaskStatus>>> = {
    working: ["working", "input_required", "completed", "failed", "cancelled"],
    input_required: ["input_required", "working", "cancelled"],
    completed: ["completed"],
    failed: ["failed"],
    cancelled: ["cancelled"]
  }

  it.effect.prop(
    "goes from status to status only as it may, whatever happens to it in whatever order",
    { steps: Schema.Array(Step).check(Schema.isBetweenLength(1, 12)) },
    ({ steps }) =>
      Effect.gen(function* () {
        const [tasks, principal, asked] = [yield* Tasks, yield* caller, yield* Ref.make(0)]
        let step: typeof Step.Type = "run"
        const id = yield* start(principal, (task) => {
          if (step === "fail") return Effect.fail(new TaskFailed({ code: "c", detail: "d" }))
          if (step === "bug") return Effect.die(new Error("a bug"))
          if (step !== "ask") return done({})
          return Effect.flatMap(
            Ref.updateAndGet(asked, (n) => n + 1),
            (n) => Effect.as(task.ask({ [`a${n}`]: question, [`b${n}`]: question }), { isError: false })
          )
        })
        const job = yield* takenJob
        let last = yield* tasks.get(principal, id)
        for (step of steps) {
          const keys = Object.keys(last.inputRequests ?? {})
          const answers = Object.fromEntries(keys.slice(step === "answer half" ? 1 : 0).map((key) => [key, true]))
          if (step === "cancel") yield* tasks.cancel(principal, id)
          else if (step.startsWith("answer")) yield* tasks.update(principal, id, answers)
          else {
            yield* Effect.exit(tasks.run(job))
            if (step === "bug") yield* tasks.givenUp(job, "failed")
          }
          const task = yield* tasks.get(principal, id)
          assert.include(allowed[last.status], task.status)
          if (last.status === task.status && last.status !== "input_required") {
            assert.deepStrictEqual([task.result, task.error], [last.result, last.error])
          }
          assert.strictEqual(task.inputRequests !== undefined, task.status === "input_required")
          assert.strictEqual(task.result !== undefined, task.status === "completed")
          assert.strictEqual(task.error !== undefined, task.status === "failed")
          last = task
        }
      }),
    { arbitrary: { runs: 25 } }
  )
})
