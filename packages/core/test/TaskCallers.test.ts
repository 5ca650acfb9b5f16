import { scopesOf } from "@devops-mcp/core/Policy"
import { Tasks, unfinishedTasks } from "@devops-mcp/core/tasks/Tasks"
import { toolActionKind } from "@devops-mcp/core/tasks/ToolActionRunner"
import type { Principal } from "@devops-mcp/domain/Principal"
import { longActionTimeout } from "@devops-mcp/resilience/Policies"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { acts, caller, done, start, takenJob, TasksLive, work } from "./TaskFakes.ts"

layer(TasksLive, { excludeTestServices: true, timeout: "60 seconds" })("Tasks for their callers", (it) => {
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
        const job = yield* takenJob
        yield* Effect.exit(tasks.run(job))
        yield* Effect.exit(tasks.run(job))
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
})
