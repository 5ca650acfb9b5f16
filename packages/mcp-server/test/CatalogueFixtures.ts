import * as BusMemory from "@devops-mcp/cache/BusMemory"
import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { Connections } from "@devops-mcp/core/connections/Connections"
import { Confirmations } from "@devops-mcp/core/access/Confirmations"
import { Changes } from "@devops-mcp/core/changes/Changes"
import { scopesOf } from "@devops-mcp/core/Policy"
import { type AdapterAction, type ToolAdapter, ToolAdapters, ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { Results } from "@devops-mcp/core/results/Results"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { NotFound } from "@devops-mcp/domain/Errors"
import { TaskId, TenantId } from "@devops-mcp/domain/Ids"
import type { Principal, Role } from "@devops-mcp/domain/Principal"
import type { Risk, Tool } from "@devops-mcp/domain/Tool"
import { freshId, TestSecrets, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Context, DateTime, Effect, Layer, type Schema } from "effect"
import type { RunningCall } from "../src/registry/ToolCall.ts"
import { type View, wholeCatalogue } from "../src/registry/View.ts"

export const tenantId = freshId(TenantId)
export const otherTenant = freshId(TenantId)

export const principalOf = (role: Role, tenant: TenantId = tenantId, actor: string = role): Principal => ({
  tenantId: tenant,
  credential: "api_key",
  actor,
  name: role,
  role,
  scopes: scopesOf(role)
})

/** How often things were done that must not be done for each request, and what was run. */
export class Asked extends Context.Service<Asked, { lists: number; schemas: number; readonly runs: Array<string> }>()(
  "@devops-mcp/mcp-server/test/CatalogueFixtures/Asked"
) {
  static readonly layer = Layer.sync(Asked, () => ({ lists: 0, schemas: 0, runs: [] }))
}

const subjects = [
  "issue",
  "branch",
  "pipeline",
  "deployment",
  "release",
  "runner",
  "secret",
  "webhook",
  "tag",
  "commit"
]
const verbs: ReadonlyArray<readonly [string, Risk]> = [
  ["list", "read"],
  ["get", "read"],
  ["search", "read"],
  ["create", "write"],
  ["update", "write"],
  ["archive", "write"],
  ["assign", "write"],
  ["label", "write"],
  ["retry", "write"],
  ["delete", "destructive"]
]

/** A hundred actions; what is costly about each, its schema, counts how often it is looked at. */
const actionsOf = (asked: Asked["Service"]): ReadonlyArray<AdapterAction> =>
  subjects.flatMap((subject) =>
    verbs.map(([verb, risk]) => ({
      name: `${verb}_${subject}s`,
      title: `${verb} ${subject}s`,
      description: `Can ${verb} any ${subject} of a project. Arguments: project, ref.`,
      risk,
      ...(verb === "retry" ? { longRunning: true as const } : {}),
      get inputSchema() {
        asked.schemas += 1
        return {
          type: "object",
          properties: {
            project: { type: "string", "x-mcp-header": "Project" },
            place: { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } },
            tags: { type: "array", items: { type: "string", "x-mcp-header": "Tag" } }
          }
        }
      },
      run: (config: Schema.JsonObject, input: Schema.JsonObject) =>
        Effect.sync(() => {
          asked.runs.push(`${verb}_${subject}s`)
          return { config, input }
        })
    }))
  )

const failing: AdapterAction = {
  name: "fail",
  title: "Fail",
  description: "Fails",
  risk: "read",
  inputSchema: { type: "object" },
  run: () => Effect.fail(new ToolFailure({ code: "unavailable", detail: "The tool is away", retryable: true }))
}

const adapterOf = (kind: string, actions: ReadonlyArray<AdapterAction>): ToolAdapter => ({
  kind,
  title: kind,
  configSchema: {},
  checkConfig: () => Effect.void,
  health: () => Effect.void,
  actions
})

const missing = (id: string) => Effect.fail(new NotFound({ resource: "tool", id }))

/** Rows in memory. */
const RepositoryFake = Layer.unwrap(
  Effect.map(Asked, (asked) => {
    const rows = new Map<string, Tool>()
    const keyOf = (tenant: TenantId, name: string) => `${tenant}/${name}`
    return Layer.mock(ToolRepository, {
      list: (tenant) =>
        Effect.sync(() => {
          asked.lists += 1
          const items = [...rows].filter(([key]) => key.startsWith(tenant)).map(([, tool]) => tool)
          return { items, nextCursor: null }
        }),
      get: (tenant, name) =>
        Effect.suspend(() => {
          const row = rows.get(keyOf(tenant, name))
          return row === undefined ? missing(name) : Effect.succeed(row)
        }),
      create: (tenant, tool) =>
        Effect.sync(() => {
          rows.set(keyOf(tenant, tool.name), tool)
          return tool
        }),
      update: (tenant, name, { config = {} }) =>
        Effect.suspend(() => {
          const row = rows.get(keyOf(tenant, name))
          if (row === undefined) return missing(name)
          const updated = { ...row, config, version: row.version + 1 }
          rows.set(keyOf(tenant, name), updated)
          return Effect.succeed(updated)
        }),
      delete: (tenant, name) => Effect.suspend(() => (rows.delete(keyOf(tenant, name)) ? Effect.void : missing(name)))
    })
  })
)

const AdaptersFake = Layer.effect(
  ToolAdapters,
  Effect.map(
    Asked,
    (asked) =>
      new Map([
        ["big", adapterOf("big", actionsOf(asked))],
        ["small", adapterOf("small", [failing])]
      ])
  )
)

const epoch = DateTime.makeUnsafe(0)

/** A task that tells in its kind what it was started for. */
const TasksFake = Layer.mock(Tasks, {
  start: (_, { input, kind }) =>
    Effect.succeed({
      id: freshId(TaskId),
      kind: `${kind} ${String(input["tool"])}.${String(input["action"])}`,
      status: "working" as const,
      createdAt: epoch,
      updatedAt: epoch,
      expiresAt: epoch
    })
})

/** The real use-cases over rows in memory. */
export const CatalogueLayer = Tools.layer.pipe(
  Layer.provide(AdaptersFake),
  Layer.provideMerge(RepositoryFake),
  Layer.provideMerge(
    Layer.mergeAll(
      Asked.layer,
      TasksFake,
      Layer.mock(Results, {}),
      Layer.succeed(TokenCounter, { count: (text: string) => text.length / 4 })
    )
  ),
  Layer.provide([
    TestSecrets,
    Layer.mock(Connections, {}),
    Confirmations.layer.pipe(Layer.provide([CacheMemory.layer, TestSigningKey]))
  ]),
  Layer.provideMerge(Changes.layer),
  Layer.provide(BusMemory.layer),
  Layer.provideMerge(NodeCrypto.layer)
)

/** Fifty tools with a hundred actions each. */
export const configureMany = Effect.gen(function* () {
  const tools = yield* Tools
  for (let index = 0; index < 50; index++) {
    yield* tools.create(tenantId, { name: `tool${String(index).padStart(2, "0")}`, kind: "big" })
  }
})

/** A call as the registry hands it on. */
export const callOf = (options: {
  readonly principal?: Principal
  readonly arguments?: Schema.JsonObject
  readonly capabilities?: Schema.JsonObject
  readonly responses?: Readonly<Record<string, unknown>>
  readonly state?: Schema.Json
  readonly confirmationToken?: string
  readonly view?: View
}): RunningCall => ({
  principal: options.principal ?? principalOf("operator"),
  requestId: "request-1",
  view: options.view ?? wholeCatalogue,
  name: "unused",
  arguments: options.arguments ?? {},
  client: {
    capabilities: options.capabilities ?? {},
    progress: () => Effect.void,
    log: () => Effect.void,
    responses: options.responses ?? {},
    sealedState: undefined
  },
  state: options.state,
  confirmationToken: options.confirmationToken
})
