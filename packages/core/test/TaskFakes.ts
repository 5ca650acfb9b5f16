import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { type Job } from "@devops-mcp/contract/Jobs"
import { type Act, Audit } from "@devops-mcp/core/audit/Audit"
import { Changes } from "@devops-mcp/core/changes/Changes"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { scopesOf } from "@devops-mcp/core/Policy"
import { type GivenUp, JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { MoreTaskRunners, type TaskRunner } from "@devops-mcp/core/tasks/TaskRunner"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { Forbidden, NotFound } from "@devops-mcp/domain/Errors"
import type { Principal } from "@devops-mcp/domain/Principal"
import { PostgresJobQueue } from "@devops-mcp/queue/PostgresJobQueue"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Deferred, Duration, Effect, Layer, References, Schedule, type Schema } from "effect"
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
export const acts: Array<Act> = []

const AuditFake = Layer.mock(Audit, { record: (act) => Effect.sync(() => void acts.push(act)) })

const Jobs = PostgresJobQueue({
  exclusive: true,
  attempts: 2,
  retry: Schedule.spaced(0),
  pollInterval: Duration.millis(10)
})

const Base = Layer.mergeAll(
  Changes.layer.pipe(Layer.provide(BusMemory.layer)),
  Jobs,
  ToolsFake,
  AuditFake,
  Layer.succeed(MoreTaskRunners, [probe]),
  Layer.succeed(References.MinimumLogLevel, "None")
).pipe(Layer.provideMerge(RepositoriesLive), Layer.provideMerge(Layer.merge(TestDatabase, NodeCrypto.layer)))

/** Tasks on a real database and queue; what they do is up to the test, and so are the tools. */
export const TasksLive = Layer.merge(Tasks.layer, DeadLetters.layer).pipe(Layer.provideMerge(Base))

/** A caller in a tenant of its own, and a queue without jobs of other tests. */
export const caller = Effect.gen(function* () {
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
export const start = Effect.fnUntraced(function* (principal: Principal, run: TaskRunner["run"]) {
  const work = crypto.randomUUID()
  works.set(work, run)
  return (yield* (yield* Tasks).start(principal, { kind: "probe", input: { work } })).id
})

type RunTask = typeof Job.cases.RunTask.Type

const notOurs = Effect.die(new Error("not a task"))

/** Does something with the next task's job. */
const next = <A, E, R>(
  handle: (job: RunTask) => Effect.Effect<A, E, R>,
  givenUp: (job: RunTask, why: GivenUp) => Effect.Effect<void, E, R> = () => notOurs
) =>
  Effect.flatMap(JobQueue, (queue) =>
    queue.take("tasks", {
      run: (job) => (job._tag === "RunTask" ? Effect.asVoid(handle(job)) : notOurs),
      givenUp: (job, why) => (job._tag === "RunTask" ? givenUp(job, why) : notOurs)
    })
  )

/** Runs the next task's job. */
export const work = Effect.flatMap(Tasks, (tasks) => next(tasks.run, tasks.givenUp))

/** Takes the next task's job off its queue without running it. */
export const takenJob = Effect.gen(function* () {
  const taken = yield* Deferred.make<RunTask>()
  yield* next((job) => Deferred.succeed(taken, job))
  return yield* Deferred.await(taken)
})

export const done = (structured: Schema.JsonObject) => Effect.succeed({ structured, isError: false })

export const question = { method: "elicitation/create", params: { message: "?" } }

/** Begins and never ends; says when it has begun and when it was interrupted. */
export const endless = Effect.gen(function* () {
  const [begun, interrupted] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const run = () =>
    Deferred.succeed(begun, undefined).pipe(
      Effect.andThen(Effect.never),
      Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
    )
  return { begun, interrupted, run }
})
