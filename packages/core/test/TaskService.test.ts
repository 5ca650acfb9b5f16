import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { type Job } from "@devops-mcp/contract/Jobs"
import { type Act, Audit } from "@devops-mcp/core/audit/Audit"
import { type Change, Changes } from "@devops-mcp/core/changes/Changes"
import { scopesOf } from "@devops-mcp/core/Policy"
import { type JobMetadata, JobQueue, QueueError } from "@devops-mcp/core/ports/JobQueue"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { MoreTaskRunners, TaskFailed, type TaskRunner } from "@devops-mcp/core/tasks/TaskRunner"
import { Tasks, unfinishedTasks } from "@devops-mcp/core/tasks/Tasks"
import { toolActionKind } from "@devops-mcp/core/tasks/ToolActionRunner"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { Forbidden, NotFound } from "@devops-mcp/domain/Errors"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { TaskStatus } from "@devops-mcp/domain/Task"
import { PostgresJobQueue } from "@devops-mcp/queue/PostgresJobQueue"
import { longActionTimeout } from "@devops-mcp/resilience/Policies"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Ref, References, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"

/** What the tasks of a test do, by a name in their input. */
const works = new Map<string, TaskRunner["run"]>()

const probe: TaskRunner = {
  kind: "probe",
  run: (task) => works.get(String(task.input["work"]))?.(task) ?? Effect.die(new Error("no such work"))
}

/** The `look` of any tool tells who calls it with what; there is no other action. */
const ToolsFake = Layer.mock(Tools, {
  kinds: [],
  execute: (principal, tool, action, input, _token, timeout) =>
    action === "look"
      ? Effect.succeed({
          result: { actor: principal.actor, tool, input, seconds: Duration.toSeconds(timeout ?? Duration.zero) },
          isError: tool === "broken",
          durationMs: 1
        })
      : action === "drop"
        ? Effect.fail(new Forbidden({ requiredScope: "tools:destroy" }))
        : action === "hide"
          ? Effect.fail(new StoreError({ operation: "get", retryable: true, cause: new Error("down") }))
          : Effect.fail(new NotFound({ resource: "action", id: action }))
})

/** What was put on record, of all tests. */
const acts: Array<Act> = []

const AuditFake = Layer.mock(Audit, { record: (act) => Effect.sync(() => void acts.push(act)) })

const Jobs = PostgresJobQueue({
  exclusive: true,
  attempts: 2,
  retry: Schedule.spaced(0),
  pollInterval: Duration.millis(10)
})

const Base = Layer.mergeAll(
  Changes.layer.pipe(Layer.provide(BusMemory.layer)),
  RepositoriesLive,
  Jobs,
  ToolsFake,
  AuditFake,
  Layer.succeed(MoreTaskRunners, [probe]),
  Layer.succeed(References.MinimumLogLevel, "None")
).pipe(Layer.provideMerge(Layer.merge(TestDatabase, NodeCrypto.layer)))

const TestLayer = Tasks.layer.pipe(Layer.provideMerge(Base))

/** A caller in a tenant of its own, and a queue without jobs of other tests. */
const caller = Effect.gen(function* () {
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`delete from jobs`)
  const principal: Principal = {
    tenantId: yield* freshTenant,
    credential: "jwt",
    actor: "ada",
    name: "Ada",
    role: "agent",
    scopes: scopesOf("agent")
  }
  return principal
})

/** Starts a task that does this. */
const start = Effect.fnUntraced(function* (principal: Principal, run: TaskRunner["run"]) {
  const work = crypto.randomUUID()
  works.set(work, run)
  return (yield* (yield* Tasks).start(principal, { kind: "probe", input: { work } })).id
})

type RunTask = typeof Job.cases.RunTask.Type

/** Does something with the next job of the queue. */
const next = <A, E, R>(handle: (job: RunTask, metadata: JobMetadata) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(JobQueue, (queue) =>
    queue.take((job, metadata) =>
      job._tag === "RunTask" ? Effect.asVoid(handle(job, metadata)) : Effect.die(new Error("not a task"))
    )
  )

/** Runs the next job of the queue. */
const work = Effect.flatMap(Tasks, (tasks) => next(tasks.run))

/** Takes the next job off the queue without running it. */
const takenJob = Effect.gen(function* () {
  const taken = yield* Deferred.make<readonly [RunTask, JobMetadata]>()
  yield* next((job, metadata) => Deferred.succeed(taken, [job, metadata]))
  return yield* Deferred.await(taken)
})

const done = (structured: Schema.JsonObject) => Effect.succeed({ structured, isError: false })

const question = { method: "elicitation/create", params: { message: "?" } }

/** Begins and never ends; says when it has begun and when it was interrupted. */
const endless = Effect.gen(function* () {
  const [begun, interrupted] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const run = () =>
    Deferred.succeed(begun, undefined).pipe(
      Effect.andThen(Effect.never),
      Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
    )
  return { begun, interrupted, run }
})

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("Tasks", (it) => {
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
      const [job, metadata] = yield* takenJob
      yield* tasks.run(job, metadata)
      const first = yield* tasks.get(principal, id)
      yield* tasks.run(job, metadata)
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
      const [job, metadata] = yield* takenJob
      const first = yield* Effect.forkChild(tasks.run(job, metadata))
      yield* Deferred.await(begun)
      yield* tasks.run(job, metadata)
      yield* Deferred.await(interrupted)
      yield* Fiber.join(first)
      assert.deepStrictEqual((yield* tasks.get(principal, id)).result, { structured: { n: 2 }, isError: false })
    })
  )

  it.effect("is interrupted when it is cancelled, and its job is done", () =>
    Effect.gen(function* () {
      const [tasks, queue, principal] = [yield* Tasks, yield* JobQueue, yield* caller]
      const { begun, interrupted, run } = yield* endless
      const id = yield* start(principal, run)
      const running = yield* Effect.forkChild(work)
      yield* Deferred.await(begun)
      const cancelled = yield* tasks.cancel(principal, id)
      assert.strictEqual(cancelled.status, "cancelled")
      yield* Deferred.await(interrupted)
      yield* Fiber.join(running)
      assert.deepInclude(yield* queue.stats, { depth: 0, inFlight: 0, deadLetters: 0 })
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
      const [tasks, queue, principal] = [yield* Tasks, yield* JobQueue, yield* caller]
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
      assert.deepInclude(yield* queue.stats, { depth: 0, deadLetters: 0 })
    })
  )

  it.effect("is tried again after a bug, fails at the last attempt without telling it, and stays failed", () =>
    Effect.gen(function* () {
      const [tasks, queue, principal] = [yield* Tasks, yield* JobQueue, yield* caller]
      const id = yield* start(principal, () => Effect.die(new Error("secret of ours")))
      yield* work
      assert.strictEqual((yield* tasks.get(principal, id)).status, "working")
      yield* work
      const { error, status } = yield* tasks.get(principal, id)
      assert.deepStrictEqual([status, error?.code], ["failed", "internal_error"])
      assert.notInclude(error?.detail, "secret")
      assert.strictEqual((yield* queue.stats).deadLetters, 1)
      yield* queue.redrive()
      yield* work
      assert.strictEqual((yield* tasks.get(principal, id)).status, "failed")
      assert.strictEqual((yield* queue.stats).deadLetters, 0)
    })
  )

  it.effect("is unknown to every other caller", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const id = yield* start(principal, () => done({}))
      const others: ReadonlyArray<Principal> = [
        { ...principal, actor: "eve", role: "platform", scopes: scopesOf("platform") },
        { ...principal, credential: "api_key" },
        { ...principal, tenantId: yield* freshTenant }
      ]
      for (const other of others) {
        for (const attempt of [tasks.get(other, id), tasks.cancel(other, id), tasks.update(other, id, { name: 1 })]) {
          const failure = yield* Effect.flip<unknown, { readonly _tag: string }, never>(attempt)
          assert.strictEqual(failure._tag, "@devops-mcp/domain/Errors/NotFound")
        }
        assert.deepStrictEqual((yield* tasks.list(other, { limit: 10 })).items, [])
      }
      yield* work
      assert.strictEqual((yield* tasks.get(principal, id)).status, "completed")
    })
  )

  it.effect("has bounds: so many at once for a caller, and so much input", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const begin = tasks.start(principal, { kind: "probe", input: {} })
      const huge = { text: "x".repeat(1_000_000) }
      const tooLong = yield* Effect.flip(tasks.start(principal, { kind: "probe", input: huge }))
      assert.deepInclude(tooLong, { _tag: "@devops-mcp/domain/Errors/InvalidInput", pointer: "/input" })
      const { id } = yield* begin
      const tooMuch = yield* Effect.flip(tasks.update(principal, id, huge))
      assert.deepInclude(tooMuch, { _tag: "@devops-mcp/domain/Errors/InvalidInput", pointer: "/inputResponses" })
      yield* Effect.replicateEffect(begin, unfinishedTasks - 1, { concurrency: 4 })
      assert.include((yield* Effect.flip(begin)).message, "100 unfinished tasks")
      yield* tasks.cancel(principal, id)
      yield* begin
    })
  )

  it.effect("runs an action of a tool as its caller, with the time of long ones", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const run = Effect.fnUntraced(function* (tool: string, action: string) {
        const input = { tool, action, arguments: { limit: 1 } }
        const { id } = yield* tasks.start(principal, { kind: toolActionKind, input })
        yield* work
        return yield* tasks.get(principal, id)
      })
      const structured = {
        actor: "ada",
        tool: "git",
        input: { limit: 1 },
        seconds: Duration.toSeconds(longActionTimeout)
      }
      assert.deepStrictEqual((yield* run("git", "look")).result, { structured, isError: false })
      assert.deepInclude(yield* run("broken", "look"), { status: "completed" })
      assert.deepInclude(yield* run("git", "dance"), {
        status: "failed",
        error: { code: "not_found", detail: "No action with the id or name 'dance'" }
      })
    })
  )

  it.effect("puts each run of an action that comes to its end on record", () =>
    Effect.gen(function* () {
      const [tasks, principal] = [yield* Tasks, yield* caller]
      const run = Effect.fnUntraced(function* (tool: string, action: string) {
        const { id } = yield* tasks.start(principal, { kind: toolActionKind, input: { tool, action, arguments: {} } })
        const [job, metadata] = yield* takenJob
        yield* Effect.exit(tasks.run(job, metadata))
        yield* Effect.exit(tasks.run(job, metadata))
        return acts
          .filter(({ requestId }) => requestId === id)
          .map(({ durationMs: _, principal: { actor }, requestId: __, ...act }) => ({ actor, ...act }))
      })
      const row = (action: string, outcome: string) => [
        { actor: "ada", action, outcome, changes: outcome !== "denied" }
      ]
      assert.deepStrictEqual(yield* run("git", "look"), row("mcp.git_look", "ok"))
      assert.deepStrictEqual(yield* run("broken", "look"), row("mcp.broken_look", "failed"))
      assert.deepStrictEqual(yield* run("git", "dance"), row("mcp.git_dance", "failed"))
      assert.deepStrictEqual(yield* run("git", "drop"), row("mcp.git_drop", "denied"))
      assert.deepStrictEqual(yield* run("git", "hide"), [])
    })
  )

  it.effect("is given up when its worker is gone, tells its listeners so, and is not run again", () =>
    Effect.gen(function* () {
      const [tasks, changes, principal, sql] = [yield* Tasks, yield* Changes, yield* caller, yield* SqlClient.SqlClient]
      const waiting = yield* start(principal, () => done({}))
      yield* takenJob
      const { begun, interrupted, run } = yield* endless
      const id = yield* start(principal, run)
      const [job, metadata] = yield* takenJob
      const running = yield* Effect.forkChild(tasks.run(job, metadata))
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
      yield* tasks.run(job, metadata)
      assert.strictEqual((yield* tasks.get(principal, id)).status, "failed")
      assert.strictEqual((yield* tasks.get(principal, waiting)).status, "working")
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
        const [job, metadata] = yield* takenJob
        let last = yield* tasks.get(principal, id)
        for (step of steps) {
          const keys = Object.keys(last.inputRequests ?? {})
          const answers = Object.fromEntries(keys.slice(step === "answer half" ? 1 : 0).map((key) => [key, true]))
          if (step === "cancel") yield* tasks.cancel(principal, id)
          else if (step.startsWith("answer")) yield* tasks.update(principal, id, answers)
          else yield* Effect.exit(tasks.run(job, { ...metadata, lastAttempt: step === "bug" }))
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
