import type { ActionResult, CreateTool } from "@devops-mcp/contract/ToolsApi"
import { type Conflict, type Forbidden, InvalidInput, NotFound, type StaleVersion } from "@devops-mcp/domain/Errors"
import { type TenantId, ToolId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Tool } from "@devops-mcp/domain/Tool"
import { toolExecutionDuration } from "@devops-mcp/observability/Metrics"
import { toolCallTimeout } from "@devops-mcp/resilience/Policies"
import { Clock, Context, DateTime, Effect, Layer, Metric, type Schema } from "effect"
import { makeNewId } from "../NewId.ts"
import { allows, authorize, scopeOfRisk } from "../Policy.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { type AdapterAction, type ToolAdapter, ToolAdapters, ToolFailure } from "../ports/ToolAdapter.ts"
import { ToolRepository } from "../ports/ToolRepository.ts"

/** An action of a configured tool, as it appears in a catalogue. */
export interface CatalogueEntry {
  readonly tool: Tool
  readonly action: AdapterAction
}

/** How many tools a tenant can have. */
const catalogueLimit = 200

/** Configured tools and what they can do. Permission is that of the action's risk, wherever it is called from. */
export class Tools extends Context.Service<
  Tools,
  {
    readonly kinds: ReadonlyArray<ToolAdapter>
    readonly create: (
      tenantId: TenantId,
      input: typeof CreateTool.Type
    ) => Effect.Effect<Tool, Conflict | InvalidInput | StoreError>
    readonly update: (
      tenantId: TenantId,
      name: string,
      config: Tool["config"],
      version?: number
    ) => Effect.Effect<Tool, NotFound | StaleVersion | InvalidInput | StoreError>
    readonly actions: (
      tenantId: TenantId,
      name: string
    ) => Effect.Effect<ReadonlyArray<AdapterAction>, NotFound | StoreError>
    /** Every action that the caller may run, in a stable order. */
    readonly catalogue: (principal: Principal) => Effect.Effect<ReadonlyArray<CatalogueEntry>, StoreError>
    readonly health: (tenantId: TenantId, name: string) => Effect.Effect<void, NotFound | ToolFailure | StoreError>
    /** What the tool refuses or fails at is a result with `isError`, not an error. */
    readonly execute: (
      principal: Principal,
      name: string,
      action: string,
      input: Schema.JsonObject
    ) => Effect.Effect<ActionResult, NotFound | Forbidden | InvalidInput | StoreError>
  }
>()("@devops-mcp/core/tools/Tools") {
  static readonly layer = Layer.effect(
    Tools,
    Effect.gen(function* () {
      const repository = yield* ToolRepository
      const adapters = yield* ToolAdapters
      const newId = yield* makeNewId

      const adapterOf = (kind: string) => {
        const adapter = adapters.get(kind)
        return adapter === undefined
          ? Effect.fail(
              new InvalidInput({
                pointer: "/kind",
                detail: `There is no tool kind '${kind}'; there are: ${[...adapters.keys()].join(", ")}`
              })
            )
          : Effect.succeed(adapter)
      }

      const checkConfig = Effect.fnUntraced(function* (kind: string, config: Tool["config"]) {
        const adapter = yield* adapterOf(kind)
        yield* adapter
          .checkConfig(config)
          .pipe(Effect.mapError((failure) => new InvalidInput({ pointer: "/config", detail: failure.detail })))
      })

      const create = Effect.fn("Tools.create")(function* (tenantId: TenantId, input: typeof CreateTool.Type) {
        const config = input.config ?? {}
        yield* checkConfig(input.kind, config)
        const now = yield* DateTime.now
        return yield* repository.create(tenantId, {
          id: yield* newId(ToolId),
          name: input.name,
          kind: input.kind,
          config,
          version: 1,
          createdAt: now,
          updatedAt: now
        })
      })

      const update = Effect.fn("Tools.update")(function* (
        tenantId: TenantId,
        name: string,
        config: Tool["config"],
        version?: number
      ) {
        const tool = yield* repository.get(tenantId, name)
        yield* checkConfig(tool.kind, config)
        return yield* repository.update(tenantId, name, config, yield* DateTime.now, version)
      })

      const find = Effect.fnUntraced(function* (tenantId: TenantId, name: string) {
        const tool = yield* repository.get(tenantId, name)
        const adapter = adapters.get(tool.kind)
        if (adapter === undefined) return yield* new NotFound({ resource: "tool kind", id: tool.kind })
        return { tool, adapter }
      })

      const actions = Effect.fn("Tools.actions")(function* (tenantId: TenantId, name: string) {
        return (yield* find(tenantId, name)).adapter.actions
      })

      const catalogue = Effect.fn("Tools.catalogue")(function* (principal: Principal) {
        const { items } = yield* repository
          .list(principal.tenantId, { limit: catalogueLimit })
          .pipe(Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", Effect.die))
        return items
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          .flatMap((tool) =>
            (adapters.get(tool.kind)?.actions ?? [])
              .filter((action) => allows(principal, scopeOfRisk[action.risk]))
              .map((action) => ({ tool, action }))
          )
      })

      const health = Effect.fn("Tools.health")(function* (tenantId: TenantId, name: string) {
        const { adapter, tool } = yield* find(tenantId, name)
        yield* adapter.health(tool.config)
      })

      const run = (action: AdapterAction, tool: Tool, input: Schema.JsonObject) =>
        action.run(tool.config, input).pipe(
          Effect.timeoutOrElse({
            duration: toolCallTimeout,
            orElse: () =>
              Effect.fail(new ToolFailure({ code: "timeout", detail: "The tool took too long", retryable: true }))
          }),
          Effect.map((result) => ({ result, isError: false })),
          Effect.catch(({ code, detail, retryable }) =>
            Effect.succeed({ result: { error: { code, detail, retryable } }, isError: true })
          )
        )

      const execute = Effect.fn("Tools.execute")(function* (
        principal: Principal,
        name: string,
        actionName: string,
        input: Schema.JsonObject
      ) {
        yield* Effect.annotateCurrentSpan({ tool: name, action: actionName })
        const { adapter, tool } = yield* find(principal.tenantId, name)
        const action = adapter.actions.find((candidate) => candidate.name === actionName)
        if (action === undefined) return yield* new NotFound({ resource: `action of '${name}'`, id: actionName })
        yield* authorize(principal, scopeOfRisk[action.risk])
        if (action.risk === "destructive") {
          return yield* new InvalidInput({
            pointer: "/confirmationToken",
            detail: "Destructive actions need a confirmation, which this version does not offer yet"
          })
        }
        const startedAt = yield* Clock.currentTimeMillis
        const { isError, result } = yield* run(action, tool, input)
        const durationMs = (yield* Clock.currentTimeMillis) - startedAt
        yield* Metric.update(
          Metric.withAttributes(toolExecutionDuration, { kind: tool.kind, action: actionName, error: String(isError) }),
          durationMs / 1000
        )
        return { result, isError, durationMs }
      })

      return Tools.of({ kinds: [...adapters.values()], create, update, actions, catalogue, health, execute })
    })
  )
}
