import { Revocations } from "@devops-mcp/core/access/Revocations"
import * as BusMemory from "@devops-mcp/cache/BusMemory"
import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Connections } from "@devops-mcp/core/connections/Connections"
import { Confirmations } from "@devops-mcp/core/access/Confirmations"
import { Changes } from "@devops-mcp/core/changes/Changes"
import { type Act, Audit } from "@devops-mcp/core/audit/Audit"
import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { scopesOf } from "@devops-mcp/core/Policy"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import { type ToolAdapter, ToolAdapters, ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { Results } from "@devops-mcp/core/results/Results"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { Tools } from "@devops-mcp/core/tools/Tools"
import type { AgentContext } from "@devops-mcp/domain/AgentContext"
import type { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import { NotFound, StaleVersion, Unauthenticated } from "@devops-mcp/domain/Errors"
import { ApiKeyId, ContextId, ContextItemId, DeadLetterId, DocumentId, TenantId, ToolId } from "@devops-mcp/domain/Ids"
import { type Principal, Role } from "@devops-mcp/domain/Principal"
import type { Tool } from "@devops-mcp/domain/Tool"
import { auditInto } from "@devops-mcp/testing/AuditInto"
import { TestSecrets, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Context, DateTime, Effect, Layer, Option, Queue, Redacted, Schema } from "effect"
import { Registries } from "../src/edge/Registries.ts"
import { PromptRegistry } from "../src/registry/PromptRegistry.ts"
import { ResourceRegistry } from "../src/registry/ResourceRegistry.ts"
import { TaskRegistry } from "../src/registry/TaskRegistry.ts"
import { ToolRegistry } from "../src/registry/ToolRegistry.ts"

export const contextId = ContextId.make("0192f0c1-0000-7000-8000-000000000001")
const missingContext = ContextId.make("0192f0c1-0000-7000-8000-000000000002")
const staleContext = ContextId.make("0192f0c1-0000-7000-8000-000000000003")
const brokenContext = ContextId.make("0192f0c1-0000-7000-8000-000000000004")
const hangingContext = ContextId.make("0192f0c1-0000-7000-8000-000000000005")
const hugeContext = ContextId.make("0192f0c1-0000-7000-8000-000000000006")

/** Contexts that each make a call end in one way. */
export const contexts = { missingContext, staleContext, brokenContext, hangingContext, hugeContext }

const contextItemId = ContextItemId.make("0192f0c1-0000-7000-8000-00000000000e")
const epoch = DateTime.makeUnsafe(0)
const tenantId = TenantId.make("0192f0c1-0000-7000-8000-00000000000a")

export const principalOf = (role: Role): Principal => ({
  tenantId,
  credential: "api_key",
  actor: ApiKeyId.make("0192f0c1-0000-7000-8000-00000000000b"),
  name: role,
  role,
  scopes: scopesOf(role)
})

export const keyOf = (role: string) => `dmk_key_of_${role}`
const isRole = Schema.is(Role)

export const storeDown = keyOf("store_down")

const AuthenticationFake = Layer.succeed(Authentication, {
  authenticate: (credential) => {
    const key = Redacted.value(credential)
    if (key === storeDown) {
      return Effect.fail(new StoreError({ operation: "findByHash", retryable: true, cause: new Error("connection") }))
    }
    const role = key.replace(keyOf(""), "")
    return isRole(role)
      ? Effect.succeed(principalOf(role))
      : Effect.fail(new Unauthenticated({ detail: "The API key is not valid" }))
  }
})

export const context: AgentContext = {
  id: contextId,
  name: "one",
  maxTokens: 1000,
  metadata: {},
  tokenCount: 0,
  itemCount: 0,
  version: 1,
  createdAt: epoch,
  updatedAt: epoch
}

export const deadLetter: DeadLetter = {
  id: DeadLetterId.make("0192f0c1-0000-7000-8000-0000000000d1"),
  queue: "deliveries",
  jobId: "delivery-1",
  type: "IngestDelivery",
  error: "The model refused",
  attempts: 8,
  redrives: 0,
  payload: { _tag: "IngestDelivery" },
  failedAt: epoch
}

/** What the fakes were asked and told; signals instead of sleeps. */
export class Observed extends Context.Service<
  Observed,
  {
    readonly acts: Queue.Queue<Act>
    readonly hanging: Queue.Queue<void>
    readonly interrupted: Queue.Queue<void>
  }
>()("@devops-mcp/mcp-server/test/Fakes/Observed") {
  static readonly layer = Layer.effect(
    Observed,
    Effect.gen(function* () {
      return {
        acts: yield* Queue.unbounded<Act>(),
        hanging: yield* Queue.unbounded<void>(),
        interrupted: yield* Queue.unbounded<void>()
      }
    })
  )
}

const window = { items: [], tokenCount: 0, omitted: { count: 0, tokens: 0 }, strategy: "oldest_first" } as const

const AgentContextsFake = Layer.unwrap(
  Effect.map(Observed, ({ hanging, interrupted }) =>
    Layer.mock(AgentContexts, {
      create: (_, input) => Effect.succeed({ ...context, ...input }),
      window: (_, id) => {
        if (id === missingContext) return Effect.fail(new NotFound({ resource: "context", id }))
        if (id === brokenContext) return Effect.die(new Error("the database password is hunter2"))
        if (id === hangingContext) {
          return Queue.offer(hanging, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Queue.offer(interrupted, undefined))
          )
        }
        const text = "word ".repeat(100_000)
        return Effect.succeed(
          id !== hugeContext
            ? window
            : {
                ...window,
                items: [
                  {
                    id: contextItemId,
                    seq: 1,
                    role: "user" as const,
                    content: text,
                    tokens: 100_000,
                    pinned: false,
                    metadata: {},
                    createdAt: epoch
                  }
                ]
              }
        )
      },
      compact: (_, id) => Effect.fail(new StaleVersion({ resource: "context", id })),
      search: (_, id) =>
        Effect.fail(new StoreError({ operation: "search", retryable: true, cause: new Error(`secret of ${id}`) }))
    })
  )
)

const KnowledgeFake = Layer.mock(Knowledge, {
  addDocument: (_, input) =>
    Effect.succeed({
      ...input,
      id: DocumentId.make("0192f0c1-0000-7000-8000-00000000000c"),
      metadata: input.metadata ?? {},
      status: "pending" as const,
      createdAt: epoch
    })
})

/** One that waits in the queue of deliveries, and as many as are named. */
const DeadLettersFake = Layer.mock(DeadLetters, {
  queues: () =>
    Effect.succeed([{ name: "deliveries" as const, depth: 2, inFlight: 1, oldestAgeSeconds: 0.5, deadLetters: 1 }]),
  get: (_, queue, id) =>
    queue === deadLetter.queue && id === deadLetter.id
      ? Effect.succeed(deadLetter)
      : Effect.fail(new NotFound({ resource: "dead letter", id })),
  list: (_, queue) => Effect.succeed({ items: queue === deadLetter.queue ? [deadLetter] : [], nextCursor: null }),
  redrive: (_tenant, _queue, ids = [deadLetter.id]) => Effect.succeed(ids.length),
  discard: (_tenant, _queue, _reason, ids = [deadLetter.id]) => Effect.succeed(ids.length)
})

const ContextRepositoryFake = Layer.mock(ContextRepository, {
  list: (_, { limit }) => Effect.succeed({ items: Array.from({ length: limit }, () => context), nextCursor: null })
})

const action = (name: string, risk: "read" | "write" | "destructive") => ({
  name,
  title: `Title of ${name}`,
  description: `Description of ${name}`,
  risk,
  inputSchema: { type: "object", properties: { ref: { type: "string" } } }
})

const adapter: ToolAdapter = {
  kind: "fake",
  title: "Fake",
  configSchema: {},
  checkConfig: () => Effect.void,
  health: () => Effect.void,
  actions: [
    { ...action("log", "read"), run: (config, input) => Effect.succeed({ config: config["name"] ?? null, ...input }) },
    { ...action("b_log", "read"), run: () => Effect.succeed({ reading: "b_log" }) },
    {
      ...action("fail", "read"),
      run: () => Effect.fail(new ToolFailure({ code: "unavailable", detail: "The tool is away", retryable: true }))
    },
    { ...action("push", "write"), run: () => Effect.succeed({ pushed: true }) },
    { ...action("drop", "destructive"), run: () => Effect.succeed({}) }
  ]
}

const tool = (name: string): Tool => ({
  id: ToolId.make("0192f0c1-0000-7000-8000-00000000000d"),
  name,
  kind: "fake",
  config: { name },
  version: 1,
  createdAt: epoch,
  updatedAt: epoch
})

const configured = ["zulu", "a_b", "my-git"]

const ObjectStoreFake = Layer.sync(ObjectStore, () => {
  const objects = new Map<string, Uint8Array>()
  return ObjectStore.of({
    put: (key, body) => Effect.sync(() => void objects.set(key, body)),
    get: (key) => Effect.sync(() => Option.fromUndefinedOr(objects.get(key))),
    delete: (key) => Effect.sync(() => void objects.delete(key))
  })
})

const ToolsFake = Tools.layer.pipe(
  Layer.provide(Confirmations.layer.pipe(Layer.provide(CacheMemory.layer))),
  Layer.provide([
    Layer.mock(ToolRepository, {
      get: (_, name) =>
        configured.includes(name)
          ? Effect.succeed(tool(name))
          : Effect.fail(new NotFound({ resource: "tool", id: name })),
      list: () => Effect.succeed({ items: configured.map(tool), nextCursor: null })
    }),
    Layer.succeed(ToolAdapters, new Map([["fake", adapter]])),
    Layer.mock(Connections, {}),
    TestSecrets
  ])
)

const AuditFake = Layer.effect(
  Audit,
  Effect.map(Observed, ({ acts }) => auditInto((act) => Queue.offerUnsafe(acts, act)))
)

/** Cursors of nothing: these suites are about tools. */
const ResourcesFake = Layer.mock(ResourceRegistry, { canRead: () => Effect.void })

/** The real registry of tools over ports that answer from memory. */
export const ToolRegistryFake = ToolRegistry.layer.pipe(
  Layer.provide([
    AgentContextsFake,
    KnowledgeFake,
    ContextRepositoryFake,
    DeadLettersFake,
    Layer.mock(EventRepository, {}),
    ToolsFake,
    Layer.mock(Tasks, {}),
    Results.layer.pipe(Layer.provide([ObjectStoreFake, CacheMemory.layer, NodeCrypto.layer])),
    Layer.succeed(TokenCounter, { count: (text: string) => text.split(" ").length })
  ]),
  Layer.provideMerge(Changes.layer.pipe(Layer.provide([BusMemory.layer, NodeCrypto.layer]))),
  Layer.provideMerge(AuditFake),
  Layer.provideMerge(testLimits()),
  Layer.provideMerge(Layer.mergeAll(Observed.layer, AuthenticationFake, NodeCrypto.layer, TestSigningKey))
)

/** Everything that is offered over MCP; resources, prompts and tasks have suites of their own. */
export const RegistriesFake = Layer.effect(
  Registries,
  Effect.all({
    tools: ToolRegistry,
    resources: ResourceRegistry,
    prompts: PromptRegistry,
    tasks: TaskRegistry,
    changes: Changes,
    audit: Audit,
    revocations: Revocations
  })
).pipe(
  Layer.provide([ResourcesFake, Layer.mock(PromptRegistry, {}), Layer.mock(TaskRegistry, { created: () => ({}) })]),
  Layer.provide(Layer.provide(Revocations.layer, BusMemory.layer)),
  Layer.provideMerge(ToolRegistryFake)
)
