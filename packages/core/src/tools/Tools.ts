import type { ActionResult, CreateTool, PatchTool } from "@devops-mcp/contract/ToolsApi"
import { type Conflict, type Forbidden, InvalidInput, NotFound, type StaleVersion } from "@devops-mcp/domain/Errors"
import { type TenantId, ToolId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { Tool } from "@devops-mcp/domain/Tool"
import { toolExecutionDuration } from "@devops-mcp/observability/Metrics"
import { toolCallTimeout } from "@devops-mcp/resilience/Policies"
import { Clock, Context, DateTime, type Duration, Effect, Layer, Metric, type Schema } from "effect"
import { Confirmations, ConfirmationRequired } from "../access/Confirmations.ts"
import { makeConnectedCredentials } from "../connections/ConnectedCredentials.ts"
import { Changes } from "../changes/Changes.ts"
import { makeNewId } from "../NewId.ts"
import { authorize, scopeOfRisk } from "../Policy.ts"
import type { CacheError } from "../ports/Cache.ts"
import type { StoreError } from "../ports/StoreError.ts"
import { type AdapterAction, type ToolAdapter, ToolAdapters, ToolFailure } from "../ports/ToolAdapter.ts"
import { ToolRepository } from "../ports/ToolRepository.ts"
import { makeStoredCredentials } from "../secrets/StoredCredentials.ts"

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
      changes: typeof PatchTool.Type,
      version?: number
    ) => Effect.Effect<Tool, NotFound | StaleVersion | InvalidInput | StoreError>
    readonly actions: (
      tenantId: TenantId,
      name: string
    ) => Effect.Effect<ReadonlyArray<AdapterAction>, NotFound | StoreError>
    readonly delete: (tenantId: TenantId, name: string) => Effect.Effect<void, NotFound | StoreError>
    /** Every action of the tenant's tools, by tool, in a stable order. */
    readonly catalogue: (tenantId: TenantId) => Effect.Effect<ReadonlyArray<CatalogueEntry>, StoreError>
    readonly health: (tenantId: TenantId, name: string) => Effect.Effect<void, NotFound | ToolFailure | StoreError>
    /**
     * What the tool refuses or fails at is a result with `isError`, not an error. A destructive action runs only with
     * the token of the `ConfirmationRequired` that the same call without one fails with.
     */
    readonly execute: (
      principal: Principal,
      name: string,
      action: string,
      input: Schema.JsonObject,
      confirmationToken?: string,
      timeout?: Duration.Duration
    ) => Effect.Effect<
      ActionResult,
      NotFound | Forbidden | InvalidInput | ConfirmationRequired | StoreError | CacheError
    >
  }
>()("@devops-mcp/core/tools/Tools") {
  static readonly layer = Layer.effect(
    Tools,
    Effect.gen(function* () {
      const repository = yield* ToolRepository
      const adapters = yield* ToolAdapters
      const confirmations = yield* Confirmations
      const changes = yield* Changes
      const stored = yield* makeStoredCredentials
      const connected = yield* makeConnectedCredentials
      const newId = yield* makeNewId

      /** A change of the tools that others must hear of: they keep catalogues. */
      const announced = <A, E>(tenantId: TenantId, change: Effect.Effect<A, E>): Effect.Effect<A, E> =>
        Effect.tap(change, changes.announce({ _tag: "ToolsChanged", tenantId }))

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

      const checkConfig = (adapter: ToolAdapter, config: Tool["config"]) =>
        adapter
          .checkConfig(config)
          .pipe(Effect.mapError((failure) => new InvalidInput({ pointer: "/config", detail: failure.detail })))

      const create = Effect.fn("Tools.create")(function* (tenantId: TenantId, input: typeof CreateTool.Type) {
        const config = input.config ?? {}
        const adapter = yield* adapterOf(input.kind)
        yield* checkConfig(adapter, config)
        const id = yield* newId(ToolId)
        const sealed =
          input.credentials === undefined ? undefined : yield* stored.seal(tenantId, id, adapter, input.credentials)
        const now = yield* DateTime.now
        const tool: Tool = {
          id,
          name: input.name,
          kind: input.kind,
          config,
          version: 1,
          createdAt: now,
          updatedAt: now
        }
        return yield* announced(tenantId, repository.create(tenantId, tool, sealed))
      })

      const update = Effect.fn("Tools.update")(function* (
        tenantId: TenantId,
        name: string,
        { config, credentials }: typeof PatchTool.Type,
        version?: number
      ) {
        const tool = yield* repository.get(tenantId, name)
        const adapter = yield* adapterOf(tool.kind)
        if (config !== undefined) yield* checkConfig(adapter, config)
        const sealed =
          credentials === undefined || credentials === null
            ? credentials
            : yield* stored.seal(tenantId, tool.id, adapter, credentials)
        const changed = {
          ...(config === undefined ? {} : { config }),
          ...(sealed === undefined ? {} : { credentials: sealed })
        }
        const now = yield* DateTime.now
        return yield* announced(tenantId, repository.update(tenantId, name, changed, now, version))
      })

      const remove = Effect.fn("Tools.delete")(function* (tenantId: TenantId, name: string) {
        yield* announced(tenantId, repository.delete(tenantId, name))
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

      const catalogue = Effect.fn("Tools.catalogue")(function* (tenantId: TenantId) {
        const { items } = yield* repository
          .list(tenantId, { limit: catalogueLimit })
          .pipe(Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", Effect.die))
        return items
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          .flatMap((tool) => (adapters.get(tool.kind)?.actions ?? []).map((action) => ({ tool, action })))
      })

      const health = Effect.fn("Tools.health")(function* (tenantId: TenantId, name: string) {
        const { adapter, tool } = yield* find(tenantId, name)
        yield* adapter.health(tool.config, yield* stored.open(tenantId, adapter, tool))
      })

      const run = (
        principal: Principal,
        adapter: ToolAdapter,
        { action, tool }: CatalogueEntry,
        input: Schema.JsonObject,
        timeout: Duration.Duration
      ) =>
        stored.open(principal.tenantId, adapter, tool).pipe(
          Effect.flatMap((credentials) => connected(principal, tool, credentials)),
          Effect.flatMap((credentials) => action.run(tool.config, input, credentials)),
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () =>
              Effect.fail(new ToolFailure({ code: "timeout", detail: "The tool took too long", retryable: true }))
          }),
          Effect.map((result) => ({ result, isError: false })),
          Effect.catchTag("@devops-mcp/core/ports/ToolAdapter/ToolFailure", ({ code, detail, retryable }) =>
            Effect.succeed({ result: { error: { code, detail, retryable } }, isError: true })
          )
        )

      const confirm = Effect.fnUntraced(function* (
        principal: Principal,
        { action, tool }: CatalogueEntry,
        input: Schema.JsonObject,
        token: string | undefined
      ) {
        const call = { tool, action: action.name, arguments: input }
        if (token !== undefined) return yield* confirmations.redeem(principal, token, call)
        const { confirmationToken, expiresAt } = yield* confirmations.request(principal, call)
        const { description, name, title } = action
        const preview = { tool: tool.name, action: name, title, description, arguments: input }
        return yield* new ConfirmationRequired({ preview, confirmationToken, expiresAt })
      })

      const execute = Effect.fn("Tools.execute")(function* (
        principal: Principal,
        name: string,
        actionName: string,
        input: Schema.JsonObject,
        confirmationToken?: string,
        timeout = toolCallTimeout
      ) {
        yield* Effect.annotateCurrentSpan({ tool: name, action: actionName })
        const { adapter, tool } = yield* find(principal.tenantId, name)
        const action = adapter.actions.find((candidate) => candidate.name === actionName)
        if (action === undefined) return yield* new NotFound({ resource: `action of '${name}'`, id: actionName })
        yield* authorize(principal, scopeOfRisk[action.risk])
        if (action.risk === "destructive") yield* confirm(principal, { tool, action }, input, confirmationToken)
        const startedAt = yield* Clock.currentTimeMillis
        const { isError, result } = yield* run(principal, adapter, { action, tool }, input, timeout)
        const durationMs = (yield* Clock.currentTimeMillis) - startedAt
        yield* Metric.update(
          Metric.withAttributes(toolExecutionDuration, { kind: tool.kind, action: actionName, error: String(isError) }),
          durationMs / 1000
        )
        return { result, isError, durationMs }
      })

      return Tools.of({
        kinds: [...adapters.values()],
        create,
        update,
        delete: remove,
        actions,
        catalogue,
        health,
        execute
      })
    })
  )
}
