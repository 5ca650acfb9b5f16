import { scopesOf } from "@devops-mcp/core/Policy"
import { TaskRepository } from "@devops-mcp/core/ports/TaskRepository"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { TaskId, type TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Task } from "@devops-mcp/domain/Task"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = RepositoriesLive.pipe(Layer.provideMerge(TestDatabase))

const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")
const later = DateTime.add(now, { seconds: 1 })
const expiry = DateTime.add(now, { hours: 1 })

const principalOf = (tenantId: TenantId, actor = "ada"): Principal => ({
  tenantId,
  credential: "jwt",
  actor,
  name: "Ada \0",
  role: "agent",
  scopes: scopesOf("agent")
})

const newTask = (fields: Partial<Task> = {}): Task => ({
  id: freshId(TaskId),
  kind: "count",
  status: "working",
  createdAt: now,
  updatedAt: now,
  expiresAt: expiry,
  ...fields
})

const input = { camelCase: { nested_key: [1, null, "x"] } }

/** A task in a tenant of its own, taken by its first run. */
const running = Effect.gen(function* () {
  const repository = yield* TaskRepository
  const principal = principalOf(yield* freshTenant)
  const task = newTask()
  assert.isTrue(yield* repository.create(principal, task, input, 100))
  const taken = yield* repository.take(principal.tenantId, task.id, now)
  assert.isTrue(Option.isSome(taken))
  return { repository, principal, tenantId: principal.tenantId, task, id: task.id }
})

const ask = { first: { method: "elicitation/create" }, second: { method: "roots/list" } }

const missing = (attempt: Effect.Effect<unknown, { readonly _tag: string }>) =>
  Effect.map(Effect.flip(attempt), ({ _tag }) => _tag === "@devops-mcp/domain/Errors/NotFound")

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("TaskRepository", (it) => {
  it.effect("gives a task to its owner, and to a worker with all that its run needs", () =>
    Effect.gen(function* () {
      const repository = yield* TaskRepository
      const principal = principalOf(yield* freshTenant)
      const task = newTask()
      yield* repository.create(principal, task, input, 100)
      assert.deepStrictEqual(yield* repository.get(principal, task.id, now), task)
      const taken = yield* repository.take(principal.tenantId, task.id, now)
      assert.deepStrictEqual(Option.getOrThrow(taken), {
        id: task.id,
        kind: "count",
        principal: { ...principal, name: "Ada \uFFFD" },
        input,
        answers: {},
        run: 1
      })
    })
  )

  it.effect("shows tasks to the same actor of the same tenant with the same kind of credential only", () =>
    Effect.gen(function* () {
      const { id, principal, repository, task } = yield* running
      const others: ReadonlyArray<Principal> = [
        { ...principal, actor: "eve" },
        { ...principal, credential: "api_key" },
        principalOf(yield* freshTenant)
      ]
      for (const other of others) {
        assert.isTrue(yield* missing(repository.get(other, id, now)))
        assert.isTrue(yield* missing(repository.cancel(other, id, now)))
        assert.isTrue(yield* missing(repository.answer(other, id, { first: 1 }, now)))
        assert.deepStrictEqual((yield* repository.list(other, { limit: 10 }, now)).items, [])
      }
      assert.isTrue(Option.isNone(yield* repository.take(yield* freshTenant, id, now)))
      assert.deepStrictEqual((yield* repository.list(principal, { limit: 10 }, now)).items, [task])
    })
  )

  it.effect("lists the newest first, page by page", () =>
    Effect.gen(function* () {
      const repository = yield* TaskRepository
      const principal = principalOf(yield* freshTenant)
      const tasks = [newTask(), newTask(), newTask()]
      yield* Effect.forEach(tasks, (task) => repository.create(principal, task, input, 100))
      const first = yield* repository.list(principal, { limit: 2 }, now)
      const rest = yield* repository.list(principal, { limit: 2, cursor: first.nextCursor ?? "" }, now)
      assert.deepStrictEqual([...first.items, ...rest.items], tasks.toReversed())
      assert.isNull(rest.nextCursor)
    })
  )

  it.effect("has no room for more unfinished tasks than the limit, however many come at once", () =>
    Effect.gen(function* () {
      const repository = yield* TaskRepository
      const principal = principalOf(yield* freshTenant)
      const create = (owner: Principal) => Effect.suspend(() => repository.create(owner, newTask(), input, 3))
      const made = yield* Effect.replicateEffect(create(principal), 8, { concurrency: "unbounded" })
      assert.strictEqual(made.filter((isMade) => isMade).length, 3)
      assert.isTrue(yield* create({ ...principal, actor: "grace" }))
      const [first] = (yield* repository.list(principal, { limit: 1 }, now)).items
      yield* repository.cancel(principal, first?.id ?? freshId(TaskId), now)
      assert.isTrue(yield* create(principal))
      assert.isFalse(yield* create(principal))
    })
  )

  it.effect("lets only the last run write, and only while the task is worked on", () =>
    Effect.gen(function* () {
      const { id, principal, repository, tenantId } = yield* running
      const second = Option.getOrThrow(yield* repository.take(tenantId, id, now))
      assert.strictEqual(second.run, 2)
      assert.isFalse(yield* repository.isRunning(tenantId, id, 1, now))
      assert.isTrue(yield* repository.isRunning(tenantId, id, 2, now))
      yield* repository.setProgress(tenantId, id, 1, { progress: 9 }, later)
      assert.isFalse(yield* repository.end(tenantId, id, 1, { status: "completed", result: { by: 1 } }, later))
      assert.isUndefined((yield* repository.get(principal, id, now)).progress)
      yield* repository.setProgress(tenantId, id, 2, { progress: 1, total: 2, message: "half" }, later)
      assert.isTrue(yield* repository.end(tenantId, id, 2, { status: "completed", result: { by: 2 } }, later))
      assert.isFalse(yield* repository.end(tenantId, id, 2, { status: "completed", result: { by: 3 } }, later))
      const done = yield* repository.get(principal, id, now)
      assert.deepInclude(done, {
        status: "completed",
        result: { by: 2 },
        progress: { progress: 1, total: 2, message: "half" },
        updatedAt: later
      })
      assert.isTrue(Option.isNone(yield* repository.take(tenantId, id, now)))
      assert.deepStrictEqual(yield* repository.cancel(principal, id, later), { task: done, cancelled: false })
    })
  )

  it.effect("never completes what is cancelled", () =>
    Effect.gen(function* () {
      const { id, principal, repository, tenantId } = yield* running
      const { cancelled, task } = yield* repository.cancel(principal, id, later)
      assert.deepStrictEqual([cancelled, task.status], [true, "cancelled"])
      assert.isFalse(yield* repository.isRunning(tenantId, id, 1, now))
      assert.isFalse(yield* repository.end(tenantId, id, 1, { status: "completed", result: {} }, later))
      assert.deepStrictEqual(yield* repository.get(principal, id, now), task)
    })
  )

  it.effect("counts answers, of those that come at once too, and says when the last one is there", () =>
    Effect.gen(function* () {
      const { id, principal, repository, tenantId } = yield* running
      assert.isTrue(Option.isNone(yield* repository.answer(principal, id, { first: 1 }, now)))
      assert.isTrue(yield* repository.end(tenantId, id, 1, { status: "input_required", inputRequests: ask }, later))
      assert.deepStrictEqual((yield* repository.get(principal, id, now)).inputRequests, ask)
      assert.isTrue(Option.isNone(yield* repository.take(tenantId, id, now)))
      assert.isTrue(Option.isNone(yield* repository.answer(principal, id, { third: 3, ["__proto__"]: 4 }, now)))
      const nexts = yield* Effect.forEach(
        [{ first: { a: "x" } }, { second: "y" }],
        (answers) => repository.answer(principal, id, answers, later),
        { concurrency: 2 }
      )
      assert.deepStrictEqual(nexts.flatMap(Option.toArray), [2])
      assert.isTrue(Option.isNone(yield* repository.answer(principal, id, { first: "late" }, later)))
      const resumed = yield* repository.get(principal, id, now)
      assert.deepStrictEqual([resumed.status, resumed.inputRequests], ["working", undefined])
      const taken = Option.getOrThrow(yield* repository.take(tenantId, id, now))
      assert.deepStrictEqual(taken.answers, { first: { a: "x" }, second: "y" })
      assert.strictEqual(taken.run, 2)
    })
  )

  it.effect("keeps asking for what is still open", () =>
    Effect.gen(function* () {
      const { id, principal, repository, tenantId } = yield* running
      yield* repository.end(tenantId, id, 1, { status: "input_required", inputRequests: ask }, later)
      yield* repository.answer(principal, id, { second: true, other: 1 }, later)
      const asked = yield* repository.get(principal, id, now)
      assert.deepStrictEqual([asked.status, asked.inputRequests], ["input_required", { first: ask.first }])
      const { task } = yield* repository.cancel(principal, id, later)
      assert.deepStrictEqual([task.status, task.inputRequests], ["cancelled", undefined])
    })
  )

  it.effect("fails what its run has left without a word, of all tenants, and nothing else", () =>
    Effect.gen(function* () {
      const { id, principal, repository, tenantId } = yield* running
      const failure = { code: "worker_lost", detail: "gone" }
      const silentAt = (since: DateTime.Utc) =>
        Effect.map(repository.failSilent(since, failure, later), (failed) =>
          failed.filter((task) => task.tenantId === tenantId || task.tenantId === other.tenantId)
        )
      const other = yield* running
      const waiting = newTask()
      yield* repository.create(principal, waiting, input, 100)
      yield* other.repository.touch(other.tenantId, other.id, 2, later)
      yield* other.repository.touch(other.tenantId, other.id, 1, later)
      assert.deepStrictEqual(yield* silentAt(DateTime.subtract(now, { milliseconds: 1 })), [])
      assert.deepStrictEqual(yield* silentAt(now), [{ id, tenantId }])
      assert.deepStrictEqual(yield* silentAt(now), [])
      assert.deepInclude(yield* repository.get(principal, id, now), {
        status: "failed",
        error: failure,
        updatedAt: later
      })
      assert.isFalse(yield* repository.end(tenantId, id, 1, { status: "completed", result: {} }, later))

      // What waits for its owner, or for a worker after the answers, has no run that could be silent.
      yield* repository.end(other.tenantId, other.id, 1, { status: "input_required", inputRequests: ask }, later)
      assert.deepStrictEqual(yield* silentAt(later), [])
      yield* repository.answer(other.principal, other.id, { first: 1, second: 2 }, later)
      assert.deepStrictEqual(yield* silentAt(later), [])
      yield* repository.take(other.tenantId, other.id, later)
      assert.deepStrictEqual(yield* silentAt(later), [{ id: other.id, tenantId: other.tenantId }])
      assert.strictEqual((yield* repository.get(principal, waiting.id, now)).status, "working")

      // The database's own clock has the last word here too.
      const live = newTask()
      yield* repository.create(principal, live, input, 100)
      yield* repository.take(tenantId, live.id, DateTime.nowUnsafe())
      assert.deepStrictEqual(yield* silentAt(DateTime.makeUnsafe("2300-01-01T00:00:00Z")), [])
    })
  )

  it.effect("knows no expired task, and sweeps those of all tenants", () =>
    Effect.gen(function* () {
      const { id, principal, repository, tenantId } = yield* running
      const sql = yield* SqlClient.SqlClient
      assert.isTrue(yield* missing(repository.get(principal, id, expiry)))
      assert.isTrue(yield* missing(repository.cancel(principal, id, expiry)))
      assert.deepStrictEqual((yield* repository.list(principal, { limit: 10 }, expiry)).items, [])
      assert.isFalse(yield* repository.isRunning(tenantId, id, 1, expiry))
      assert.isTrue(Option.isNone(yield* repository.take(tenantId, id, expiry)))
      const kept = principalOf(yield* freshTenant)
      const future = newTask({ expiresAt: DateTime.makeUnsafe("2200-01-01T00:00:00Z") })
      yield* repository.create(kept, future, input, 100)
      // The database's own clock has the last word: a server whose clock is ahead removes nothing that is still good.
      yield* repository.sweep(DateTime.makeUnsafe("2300-01-01T00:00:00Z"))
      assert.deepStrictEqual(yield* repository.get(kept, future.id, now), future)
      assert.deepStrictEqual(yield* sql`select id from tasks where id = ${id}`, [])
      assert.strictEqual(yield* repository.sweep(expiry), 0)
    })
  )
})
