import * as BusMemory from "@devops-mcp/cache/BusMemory"
import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { Connections } from "@devops-mcp/core/connections/Connections"
import { Confirmations } from "@devops-mcp/core/access/Confirmations"
import { type Change, Changes } from "@devops-mcp/core/changes/Changes"
import { scopesOf } from "@devops-mcp/core/Policy"
import { type AdapterAction, type ToolAdapter, ToolAdapters, ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { NotFound } from "@devops-mcp/domain/Errors"
import { ApiKeyId, TenantId, ToolId } from "@devops-mcp/domain/Ids"
import type { Principal, Role } from "@devops-mcp/domain/Principal"
import type { Risk, Tool } from "@devops-mcp/domain/Tool"
import { freshId, TestSecrets, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"

const tenantId = freshId(TenantId)
const created = DateTime.makeUnsafe(0)

const principalOf = (role: Role): Principal => ({
  tenantId,
  credential: "api_key",
  actor: freshId(ApiKeyId),
  name: role,
  role,
  scopes: scopesOf(role)
})

const toolOf = (name: string, kind: string): Tool => ({
  id: freshId(ToolId),
  name,
  kind,
  config: { greeting: "hello" },
  version: 1,
  createdAt: created,
  updatedAt: created
})

const actionOf = (name: string, risk: Risk, run: AdapterAction["run"]): AdapterAction => ({
  name,
  title: name,
  description: name,
  risk,
  inputSchema: { type: "object" },
  run
})

const failure = new ToolFailure({ code: "not_found", detail: "No such branch", retryable: false })

const adapter: ToolAdapter = {
  kind: "fake",
  title: "Fake",
  configSchema: { type: "object" },
  checkConfig: (config) =>
    "bad" in config
      ? Effect.fail(new ToolFailure({ code: "invalid_arguments", detail: "'bad' is bad", retryable: false }))
      : Effect.void,
  actions: [
    actionOf("look", "read", (config, input) => Effect.succeed({ config, input })),
    actionOf("change", "write", () => Effect.delay(Effect.succeed({ changed: true }), "3 seconds")),
    actionOf("remove", "destructive", (_, input) => Effect.succeed({ removed: input["name"] ?? null })),
    actionOf("fail", "read", () => Effect.fail(failure)),
    actionOf("hang", "read", () => Effect.never),
    actionOf("break", "read", () => Effect.die(new Error("a bug")))
  ],
  health: () => Effect.void
}

const stored = [toolOf("zeta", "fake"), toolOf("alpha", "fake"), toolOf("orphan", "gone")]

const Repository = Layer.mock(ToolRepository, {
  get: (_, name) => {
    const found = stored.find((tool) => tool.name === name)
    return found === undefined ? Effect.fail(new NotFound({ resource: "tool", id: name })) : Effect.succeed(found)
  },
  list: () => Effect.succeed({ items: stored, nextCursor: null }),
  create: (_, tool) => Effect.succeed(tool),
  update: (_, name, { config = {} }) => Effect.succeed({ ...toolOf(name, "fake"), config, version: 2 }),
  delete: (_, name) => (name === "alpha" ? Effect.void : Effect.fail(new NotFound({ resource: "tool", id: name })))
})

const TestLayer = Tools.layer.pipe(
  Layer.provide([
    Repository,
    Layer.succeed(ToolAdapters, new Map([["fake", adapter]])),
    Confirmations.layer.pipe(Layer.provide([CacheMemory.layer, TestSigningKey]))
  ]),
  Layer.provideMerge(Changes.layer),
  Layer.provide([BusMemory.layer, NodeCrypto.layer, TestSecrets, Layer.mock(Connections, {})])
)

const execute = (role: Role, action: string, tool = "alpha") =>
  Effect.flatMap(Tools, (tools) => tools.execute(principalOf(role), tool, action, { name: "x" }))

/** A destructive call of one caller, with or without a token. */
const remove = (principal: Principal, name: string, token?: string) =>
  Effect.flatMap(Tools, (tools) => tools.execute(principal, "alpha", "remove", { name }, token))

/** What the caller must agree to first. */
const required = Effect.fnUntraced(function* (principal: Principal, name: string) {
  const error = yield* Effect.flip(remove(principal, name))
  return error._tag === "@devops-mcp/core/access/Confirmations/ConfirmationRequired" ? error : yield* Effect.die(error)
})

layer(TestLayer)("Tools", (it) => {
  it.effect("runs an action with the instance's config and the caller's input", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* execute("viewer", "look"), {
        result: { config: { greeting: "hello" }, input: { name: "x" } },
        isError: false,
        durationMs: 0
      })
    })
  )

  it.effect("tells how long it took", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(execute("agent", "change"))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { result: { changed: true }, isError: false, durationMs: 3000 })
    })
  )

  it.effect("asks for the permission of the action's risk", () =>
    Effect.gen(function* () {
      const missing = (role: Role, action: string) =>
        Effect.map(Effect.flip(execute(role, action)), (error) =>
          "requiredScope" in error ? error.requiredScope : error
        )
      assert.strictEqual(yield* missing("viewer", "change"), "tools:execute")
      assert.strictEqual(yield* missing("viewer", "remove"), "tools:destroy")
      assert.strictEqual(yield* missing("agent", "remove"), "tools:destroy")
    })
  )

  it.effect("runs a destructive action when it was confirmed, once and exactly so", () =>
    Effect.gen(function* () {
      const caller = principalOf("operator")
      const { confirmationToken, preview } = yield* required(caller, "x")
      assert.deepStrictEqual(preview, {
        tool: "alpha",
        action: "remove",
        title: "remove",
        description: "remove",
        arguments: { name: "x" }
      })
      const pointer = (attempt: ReturnType<typeof remove>) =>
        Effect.map(Effect.flip(attempt), (error) => ("pointer" in error ? error.pointer : error._tag))
      assert.strictEqual(yield* pointer(remove(caller, "y", confirmationToken)), "/confirmationToken")
      assert.strictEqual(yield* pointer(remove(principalOf("operator"), "x", confirmationToken)), "/confirmationToken")
      assert.strictEqual(yield* pointer(remove(caller, "x", "made up")), "/confirmationToken")
      assert.deepStrictEqual((yield* remove(caller, "x", confirmationToken)).result, { removed: "x" })
      assert.strictEqual(yield* pointer(remove(caller, "x", confirmationToken)), "/confirmationToken")
    })
  )

  it.effect("wants no confirmation from who may not run the action anyway", () =>
    Effect.gen(function* () {
      const { confirmationToken } = yield* required(principalOf("operator"), "x")
      const refused = yield* Effect.flip(remove(principalOf("agent"), "x", confirmationToken))
      assert.strictEqual(refused._tag, "@devops-mcp/domain/Errors/Forbidden")
    })
  )

  it.effect("announces every change of the tools, and none that was refused", () =>
    Effect.gen(function* () {
      const tools = yield* Tools
      const heard: Array<Change> = []
      yield* (yield* Changes).listen((change) => heard.push(change))
      yield* tools.create(tenantId, { name: "a", kind: "fake" })
      yield* tools.update(tenantId, "alpha", { config: {} })
      yield* tools.delete(tenantId, "alpha")
      yield* Effect.flip(tools.create(tenantId, { name: "a", kind: "nothing" }))
      yield* Effect.flip(tools.update(tenantId, "beta", { config: {} }))
      yield* Effect.flip(tools.delete(tenantId, "beta"))
      assert.deepStrictEqual(
        heard,
        Array.from({ length: 3 }, () => ({ _tag: "ToolsChanged" as const, tenantId }))
      )
    })
  )

  it.effect("knows neither other actions, nor other tools, nor kinds that this deployment lacks", () =>
    Effect.gen(function* () {
      for (const run of [
        execute("platform", "dance"),
        execute("platform", "look", "beta"),
        execute("platform", "look", "orphan")
      ]) {
        assert.strictEqual((yield* Effect.flip(run))._tag, "@devops-mcp/domain/Errors/NotFound")
      }
    })
  )

  it.effect("gives what the tool refuses as a result that says so", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* execute("viewer", "fail"), {
        result: { error: { code: "not_found", detail: "No such branch", retryable: false } },
        isError: true,
        durationMs: 0
      })
    })
  )

  it.effect("gives up an action after a minute", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(execute("viewer", "hang"))
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const { durationMs, isError, result } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([isError, durationMs], [true, 60_000])
      assert.deepStrictEqual(result, { error: { code: "timeout", detail: "The tool took too long", retryable: true } })
    })
  )

  it.effect("does not pass a bug off as an answer of the tool", () =>
    Effect.gen(function* () {
      assert.isTrue(Exit.hasDies(yield* Effect.exit(execute("viewer", "break"))))
    })
  )

  it.effect("lists every action of the tenant's tools, by tool", () =>
    Effect.gen(function* () {
      const entries = yield* (yield* Tools).catalogue(tenantId)
      assert.deepStrictEqual(
        entries.map(({ action, tool }) => `${tool.name}.${action.name}`),
        ["alpha", "zeta"].flatMap((tool) => adapter.actions.map(({ name }) => `${tool}.${name}`))
      )
    })
  )

  it.effect("checks the kind and the config before it stores a tool", () =>
    Effect.gen(function* () {
      const tools = yield* Tools
      const pointer = (attempt: Effect.Effect<Tool, { readonly _tag: string }>) =>
        Effect.map(Effect.flip(attempt), (error) => ("pointer" in error ? error.pointer : error._tag))
      assert.strictEqual(yield* pointer(tools.create(tenantId, { name: "a", kind: "nothing" })), "/kind")
      assert.strictEqual(
        yield* pointer(tools.create(tenantId, { name: "a", kind: "fake", config: { bad: 1 } })),
        "/config"
      )
      assert.strictEqual(yield* pointer(tools.update(tenantId, "alpha", { config: { bad: 1 } })), "/config")
      assert.deepStrictEqual((yield* tools.create(tenantId, { name: "a", kind: "fake" })).config, {})
      assert.strictEqual((yield* tools.update(tenantId, "alpha", { config: {} })).version, 2)
    })
  )
})
