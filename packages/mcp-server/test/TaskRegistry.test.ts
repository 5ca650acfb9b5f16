import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { InvalidInput, NotFound } from "@devops-mcp/domain/Errors"
import { TaskId, TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Task } from "@devops-mcp/domain/Task"
import * as TokenCounter from "@devops-mcp/embeddings/TokenCounter"
import { declaresTasks, requireTasks, TaskRegistry } from "@devops-mcp/mcp-server/registry/TaskRegistry"
import { freshId } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, type Schema } from "effect"

const createdAt = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")

const taskOf = (fields: Partial<Task>): Task => ({
  id: freshId(TaskId),
  kind: "probe",
  status: "working",
  createdAt,
  updatedAt: DateTime.add(createdAt, { seconds: 2 }),
  expiresAt: DateTime.add(createdAt, { hours: 1 }),
  ...fields
})

const principal: Principal = {
  tenantId: freshId(TenantId),
  credential: "jwt",
  actor: "ada",
  name: "Ada",
  role: "agent",
  scopes: []
}

/** What a task that does not exist fails with. */
const missing = (id: string) => new NotFound({ resource: "task", id })

const registryOf = (tasks: Partial<Tasks["Service"]>) =>
  Effect.map(
    Layer.build(TaskRegistry.layer.pipe(Layer.provide([Layer.mock(Tasks, tasks), TokenCounter.layer]))),
    (services) => Context.get(services, TaskRegistry)
  )

const summaryOf = ({ id, status }: Task) => ({
  taskId: id,
  status,
  createdAt: "2026-01-02T03:04:05.678Z",
  lastUpdatedAt: "2026-01-02T03:04:07.678Z",
  ttlMs: 3_600_000,
  pollIntervalMs: 1000
})

/** What `tasks/get` says of a task. */
const shown = Effect.fnUntraced(function* (fields: Partial<Task>) {
  const task = taskOf(fields)
  const registry = yield* registryOf({ get: () => Effect.succeed(task) })
  const whole = yield* registry.get(principal, task.id)
  const summary = summaryOf(task)
  assert.deepInclude(whole, summary)
  return Object.fromEntries(Object.entries(whole).filter(([key]) => !Object.hasOwn(summary, key)))
})

describe("TaskRegistry", () => {
  it.effect("answers a call that became a task with its summary, flat", () =>
    Effect.gen(function* () {
      const registry = yield* registryOf({})
      const task = taskOf({ progress: { progress: 1, message: "half" } })
      assert.deepStrictEqual(registry.created(task), { ...summaryOf(task), statusMessage: "half" })
      const created = registry.created(taskOf({ status: "completed", result: { isError: false } }))
      assert.notProperty(created, "result")
    })
  )

  it.effect("shows each status with what belongs to it and nothing else", () =>
    Effect.gen(function* () {
      const inputRequests = { name: { method: "elicitation/create" } }
      assert.deepStrictEqual(yield* shown({}), {})
      assert.deepStrictEqual(yield* shown({ status: "cancelled" }), {})
      assert.deepStrictEqual(yield* shown({ status: "input_required", inputRequests }), { inputRequests })
      assert.deepStrictEqual(yield* shown({ status: "failed", error: { code: "no_luck", detail: "No luck" } }), {
        error: { code: -32603, message: "No luck", data: { code: "no_luck" } }
      })
    })
  )

  it.effect("gives results as tools/call does, errors as text alone", () =>
    Effect.gen(function* () {
      const completed = (result: Schema.JsonObject) => shown({ status: "completed", result })
      const structured = { a: [1, null] }
      const json = { type: "text", text: '{"a":[1,null]}' }
      const content = [{ type: "text", text: "words" }]
      assert.deepStrictEqual(yield* completed({ structured, isError: false }), {
        result: { resultType: "complete", content: [json], structuredContent: structured }
      })
      assert.deepStrictEqual(yield* completed({ structured, isError: true }), {
        result: { resultType: "complete", content: [json], isError: true }
      })
      assert.deepStrictEqual(yield* completed({ content, isError: true }), {
        result: { resultType: "complete", content, isError: true }
      })
      assert.deepStrictEqual(yield* completed({ content, structured, isError: false }), {
        result: { resultType: "complete", content, structuredContent: structured }
      })
      assert.deepStrictEqual(yield* completed({ isError: false }), { result: { resultType: "complete", content: [] } })
    })
  )

  it.effect("cuts a result that is too long, and says where all of it is", () =>
    Effect.gen(function* () {
      const items = Array.from({ length: 40_000 }, (_, index) => `item ${index}`)
      const { result } = yield* shown({ status: "completed", result: { structured: { items }, isError: false } })
      const text = JSON.stringify(result)
      assert.isBelow(text.length, 400_000)
      assert.match(text, /GET \/api\/v1\/tasks\/[0-9a-f-]{36}/)
    })
  )

  it.effect("acknowledges answers and cancellations with nothing, and passes on what was said", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const task = taskOf({ status: "cancelled" })
      const registry = yield* registryOf({
        update: (...args) => Effect.sync(() => void asked.push(args)),
        cancel: (...args) =>
          Effect.sync(() => {
            asked.push(args)
            return task
          })
      })
      assert.deepStrictEqual(yield* registry.update(principal, task.id, { name: { action: "accept" } }), {})
      assert.deepStrictEqual(yield* registry.cancel(principal, task.id), {})
      assert.deepStrictEqual(asked, [
        [principal, task.id, { name: { action: "accept" } }],
        [principal, task.id]
      ])
    })
  )

  it.effect("takes an unknown id, of whatever form, for invalid parameters", () =>
    Effect.gen(function* () {
      const registry = yield* registryOf({
        get: (_, id) => Effect.fail(missing(id)),
        update: (_, id) => Effect.fail(missing(id)),
        cancel: (_, id) => Effect.fail(missing(id))
      })
      for (const id of [freshId(TaskId), freshId(TaskId).toUpperCase(), "gate-test", "", "x".repeat(9999), "\0"]) {
        for (const attempt of [
          registry.get(principal, id),
          registry.update(principal, id, {}),
          registry.cancel(principal, id)
        ]) {
          const { code, detail } = yield* Effect.flip(attempt)
          assert.strictEqual(code, -32602)
          assert.isBelow(detail.length, 200)
        }
      }
    })
  )

  it.effect("tells what is the caller's fault from what is ours", () =>
    Effect.gen(function* () {
      const id = freshId(TaskId)
      const registry = yield* registryOf({
        get: () => Effect.fail(new StoreError({ operation: "get", retryable: true, cause: new Error("secret") })),
        update: () => Effect.fail(new InvalidInput({ pointer: "/inputResponses", detail: "Too long" }))
      })
      const broken = yield* Effect.flip(registry.get(principal, id))
      assert.deepStrictEqual([broken.code, broken.detail], [-32603, "The database could not complete get"])
      const refused = yield* Effect.flip(registry.update(principal, id, {}))
      assert.deepStrictEqual([refused.code, refused.detail], [-32602, "Too long"])
    })
  )

  it.effect("gives tasks to clients that declare the extension only", () =>
    Effect.gen(function* () {
      const able = { extensions: { "io.modelcontextprotocol/tasks": {} } }
      assert.isTrue(declaresTasks(able))
      yield* requireTasks(able)
      for (const unable of [{}, { extensions: {} }, { extensions: [] }, { tasks: {} }, { extensions: { [`x`]: {} } }]) {
        assert.isFalse(declaresTasks(unable))
        const { code, data } = yield* Effect.flip(requireTasks(unable))
        assert.deepStrictEqual([code, data], [-32021, { requiredCapabilities: able }])
      }
    })
  )
})
