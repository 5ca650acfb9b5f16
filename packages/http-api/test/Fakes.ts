import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { ConfirmationRequired } from "@devops-mcp/core/access/Confirmations"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { type Act, Audit } from "@devops-mcp/core/audit/Audit"
import { ConnectionRefused, Connections } from "@devops-mcp/core/connections/Connections"
import { OAuthProviders } from "@devops-mcp/core/connections/OAuthProviders"
import type { Refusal } from "@devops-mcp/core/audit/Refusals"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { headerOf, trailerOf } from "@devops-mcp/core/audit/AuditExport"
import { EventFeed } from "@devops-mcp/core/events/EventFeed"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { scopesOf } from "@devops-mcp/core/Policy"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { CacheError } from "@devops-mcp/core/ports/Cache"
import { ConnectionRepository } from "@devops-mcp/core/ports/ConnectionRepository"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { CursorError } from "@devops-mcp/core/ports/Cursor"
import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { EmbedderError } from "@devops-mcp/core/ports/Embedder"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { JobQueue } from "@devops-mcp/core/ports/JobQueue"
import { ObjectStore } from "@devops-mcp/core/ports/ObjectStore"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { WebhookAdapters } from "@devops-mcp/core/ports/WebhookAdapter"
import { WebhookRepository } from "@devops-mcp/core/ports/WebhookRepository"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { Tools } from "@devops-mcp/core/tools/Tools"
import { Webhooks } from "@devops-mcp/core/webhooks/Webhooks"
import { AuditRecord } from "@devops-mcp/domain/Audit"
import type { AgentContext } from "@devops-mcp/domain/AgentContext"
import { Conflict, InvalidInput, NotFound, StaleVersion, Unauthenticated } from "@devops-mcp/domain/Errors"
import type { OAuthProvider } from "@devops-mcp/domain/Connection"
import {
  ApiKeyId,
  AuditId,
  ConnectionId,
  ContextId,
  OAuthProviderId,
  TaskId,
  TenantId,
  WebhookId
} from "@devops-mcp/domain/Ids"
import { type Principal, Role } from "@devops-mcp/domain/Principal"
import type { Task } from "@devops-mcp/domain/Task"
import { type Webhook, WebhookSource } from "@devops-mcp/domain/Webhook"
import { DeadLettersFake } from "./DeadLetterFakes.ts"
import { ReplaysOnFakes } from "./ReplayFakes.ts"
import { auditInto } from "@devops-mcp/testing/AuditInto"
import { TestSecrets } from "@devops-mcp/testing/Fixtures"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Context, DateTime, Effect, Layer, Redacted, Schema, Stream } from "effect"

export const tenantId = TenantId.make("01980000-0000-7000-8000-000000000001")
export const contextId = ContextId.make("01980000-0000-7000-8000-0000000000c1")
export const webhookId = WebhookId.make("01980000-0000-7000-8000-0000000000d1")
export const absentId = "01980000-0000-7000-8000-00000000dead"
export const apiKeyId = ApiKeyId.make("01980000-0000-7000-8000-0000000000a1")

const createdAt = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const isRole = Schema.is(Role)

/** Acts in the order they were recorded. */
export class Acts extends Context.Service<Acts, Array<Act>>()("@devops-mcp/http-api/test/Fakes/Acts") {
  static readonly layer = Layer.sync(Acts, () => [])
}

/** Refusals of callers that nobody knows, in their order. */
export const refusals: Array<Refusal> = []

const AuditFake = Layer.effect(
  Audit,
  Effect.map(Acts, (acts) =>
    Audit.of({
      ...auditInto((act) => acts.push(act)),
      refused: (refusal) => Effect.sync(() => void refusals.push(refusal))
    })
  )
)

const auditRecord: AuditRecord = {
  id: AuditId.make("01980000-0000-7000-8000-0000000000f1"),
  tenantId,
  seq: 1,
  actor: apiKeyId,
  credential: "api_key",
  action: "contexts.create",
  outcome: "ok",
  changes: true,
  requestId: "r1",
  durationMs: 1,
  occurredAt: createdAt,
  recordedAt: createdAt,
  prevHash: "0".repeat(64),
  hash: "1".repeat(64)
}

/** One row, of an actor whom nobody else is; its export has three lines. */
const AuditTrailFake = Layer.mock(AuditTrail, {
  list: (tenant, { actor, cursor }) =>
    cursor === undefined
      ? Effect.succeed({
          items: tenant === tenantId && (actor ?? apiKeyId) === apiKeyId ? [auditRecord] : [],
          nextCursor: null
        })
      : Effect.fail(new CursorError()),
  verify: () => Effect.succeed({ valid: false, checked: 1, firstBroken: { seq: 2, reason: "missing" } }),
  export: (tenant, span) =>
    Stream.make(
      headerOf(tenant, { seq: 0, hash: auditRecord.prevHash }, span, createdAt),
      Schema.encodeSync(AuditRecord)(auditRecord),
      trailerOf(1, auditRecord, undefined)
    )
})

/** The token of a role; that of `down` meets a database that does not answer. */
export const tokenOf = (name: string) => `the-token-of-${name}`

const AuthenticationFake = Layer.succeed(Authentication, {
  authenticate: (credential) => {
    const name = Redacted.value(credential).replace(tokenOf(""), "")
    if (name === "down") return Effect.fail(new StoreError({ operation: "find", retryable: true, cause: "down" }))
    if (!isRole(name)) return Effect.fail(new Unauthenticated({ detail: "The API key is not valid" }))
    return Effect.succeed({
      tenantId,
      credential: "api_key" as const,
      actor: apiKeyId,
      name,
      role: name,
      scopes: scopesOf(name)
    })
  }
})

const context: AgentContext = {
  id: contextId,
  name: "first",
  maxTokens: 1000,
  metadata: {},
  tokenCount: 0,
  itemCount: 0,
  version: 3,
  createdAt,
  updatedAt: createdAt
}

const missing = (resource: string, id: string) => Effect.fail(new NotFound({ resource, id }))

const ContextRepositoryFake = Layer.mock(ContextRepository, {
  get: (_tenant, id) => (id === contextId ? Effect.succeed(context) : missing("context", id)),
  list: (_tenant, { cursor }) =>
    cursor === undefined ? Effect.succeed({ items: [context], nextCursor: null }) : Effect.fail(new CursorError())
})

const ContextsFake = Layer.mock(AgentContexts, {
  update: (_tenant, id, patch, version) => {
    if (id !== contextId) return missing("context", id)
    return version === undefined || version === context.version
      ? Effect.succeed({ ...context, ...patch, version: context.version + 1 })
      : Effect.fail(new StaleVersion({ resource: "context", id }))
  },
  delete: () => Effect.die(new Error("secret internals of the store")),
  create: () =>
    Effect.fail(new StoreError({ operation: "create", retryable: false, cause: new Error("disk on fire") })),
  compact: () => Effect.fail(new InvalidInput({ pointer: "/maxTokens", detail: "The budget must be larger" })),
  search: () => Effect.fail(new EmbedderError({ operation: "embed", retryable: true, retryAfter: 2500, cause: "busy" }))
})

/** One task, of the admin; it is cancelled as often as it is asked. */
export const taskId = TaskId.make("01980000-0000-7000-8000-0000000000e1")

const task: Task = {
  id: taskId,
  kind: "tool_action",
  status: "working",
  progress: { progress: 1, total: 2 },
  createdAt,
  updatedAt: createdAt,
  expiresAt: DateTime.add(createdAt, { hours: 24 })
}

const ownTask = ({ role }: Principal, id: TaskId) =>
  role === "admin" && id === taskId ? Effect.succeed(task) : missing("task", id)

const TasksFake = Layer.mock(Tasks, {
  get: ownTask,
  list: ({ role }, { cursor }) =>
    cursor === undefined
      ? Effect.succeed({ items: role === "admin" ? [task] : [], nextCursor: null })
      : Effect.fail(new CursorError()),
  cancel: (principal, id) => Effect.map(ownTask(principal, id), (found): Task => ({ ...found, status: "cancelled" }))
})

/** `remove` needs a confirmation, and the only token that is one is `good`; with `outage` nobody can tell. */
const execute: Tools["Service"]["execute"] = (_caller, tool, action, input, token) => {
  if (token === "good")
    return Effect.succeed({ result: { removed: input["name"] ?? null }, isError: false, durationMs: 1 })
  if (token === "outage") return Effect.fail(new CacheError({ operation: "setIfAbsent", cause: "down" }))
  if (token !== undefined) return Effect.fail(new InvalidInput({ pointer: "/confirmationToken", detail: "Not good" }))
  const preview = { tool, action, title: "Remove", description: "Removes it", arguments: input }
  return Effect.fail(new ConfirmationRequired({ preview, confirmationToken: "good", expiresAt: createdAt }))
}

const ToolsFake = Layer.mock(Tools, {
  kinds: [],
  execute,
  create: () => Effect.fail(new Conflict({ detail: "The name is taken" })),
  health: () => Effect.fail(new ToolFailure({ code: "unavailable", detail: "No answer", retryable: true }))
})

/** Who asked for all connections. */
const connecting: Principal = {
  tenantId,
  credential: "api_key",
  actor: apiKeyId,
  name: "<b>build</b>",
  role: "agent",
  scopes: scopesOf("agent")
}

const oauthProvider: OAuthProvider = {
  id: OAuthProviderId.make("01980000-0000-7000-8000-0000000000b2"),
  name: "acme",
  authorizationEndpoint: "https://sso.acme.example/authorize",
  tokenEndpoint: "https://sso.acme.example/token",
  clientAuthentication: "none",
  issRequired: false,
  clientId: "devops-mcp",
  scopes: ["repo", "read:user"],
  allowPrivateNetwork: false,
  createdAt
}

const unlessGood = (state: string): Effect.Effect<void, CacheError | ConnectionRefused> => {
  if (state === "down") return Effect.fail(new CacheError({ operation: "get", cause: "down" }))
  if (["good", "refused", "shared"].includes(state)) return Effect.void
  return Effect.fail(new ConnectionRefused({ detail: "Not one of ours" }))
}

/** What was done with states, in its order. */
export const connectionsAsked: Array<string> = []

const asked = (what: string) => Effect.sync(() => void connectionsAsked.push(what))

/** The states `good` and `shared` make a connection for a caller with an odd name; `refused` fails in the end. */
const ConnectionsFake = Layer.mock(Connections, {
  pending: (state) =>
    Effect.andThen(unlessGood(state), asked(`pending ${state}`)).pipe(
      Effect.as({ principal: connecting, tenant: "A & B", provider: oauthProvider, shared: state === "shared" })
    ),
  discard: (state) => Effect.andThen(unlessGood(state), asked(`discard ${state}`)).pipe(Effect.as(connecting)),
  complete: ({ code, iss = "", state }) => {
    const id = ConnectionId.make("01980000-0000-7000-8000-0000000000b1")
    const connection = { id, provider: "acme", shared: state === "shared", status: "connected" as const, scopes: [] }
    return Effect.andThen(unlessGood(state), asked(`complete ${state} ${code} ${iss}`)).pipe(
      Effect.andThen(
        state === "refused"
          ? Effect.fail(new ConnectionRefused({ detail: "It refused: invalid_grant", principal: connecting }))
          : Effect.succeed({ principal: connecting, connection: { ...connection, createdAt, updatedAt: createdAt } })
      )
    )
  }
})

/** The secret of the webhooks of `webhookOf`; a signing token, so that GitLab can sign with it too. */
export const webhookSecret = Redacted.make("whsec_c2l4dGVlbiBieXRlcyBvciBtb3JlIG9mIGtleQ==")

const webhook: Webhook = { id: webhookId, source: "github", name: "repo", createdAt }

/** One webhook of every source, with the same secret. */
export const webhookOf: ReadonlyMap<WebhookSource, Webhook> = new Map(
  WebhookSource.literals.map((source, index) => [
    source,
    { id: WebhookId.make(`01980000-0000-7000-8000-0000000001d${index}`), source, name: source, createdAt }
  ])
)

const secretOf = (id: WebhookId) => (id === webhookId ? Redacted.make("s3cret") : webhookSecret)

const webhooks = new Map([webhook, ...webhookOf.values()].map((one) => [one.id, one]))

const WebhookRepositoryFake = Layer.sync(WebhookRepository, () => {
  const deliveries = new Map<string, string>()
  const target = (id: WebhookId) => {
    const found = webhooks.get(id)
    return found === undefined
      ? missing("webhook", id)
      : Effect.succeed({ tenantId, webhook: found, secret: { _tag: "Plain" as const, plain: secretOf(id) } })
  }
  return WebhookRepository.of({
    create: (_tenant, created) => Effect.succeed(created),
    get: (_tenant, id) => Effect.map(target(id), (found) => found.webhook),
    list: () => Effect.succeed({ items: [webhook], nextCursor: null }),
    delete: () => Effect.void,
    target,
    plainSecrets: () => Effect.succeed([]),
    sealSecret: () => Effect.succeed(false),
    rotateSecret: (_tenant, id) => Effect.map(target(id), (found) => found.webhook),
    noteObject: () => Effect.void,
    accept: (_tenant, given) =>
      Effect.sync(() =>
        given.map(({ externalId, id, source }) => {
          const name = `${source} ${externalId}`
          if (deliveries.has(name)) return { deliveryId: id, duplicate: true }
          deliveries.set(name, id)
          return { deliveryId: id, duplicate: false }
        })
      ),
    getDelivery: (_tenant, id) => missing("delivery", id)
  })
})

/** Signs with the secret itself, in `x-signature`, and numbers deliveries in `x-delivery`. */
const WebhookAdaptersFake = Layer.succeed(
  WebhookAdapters,
  new Map([
    [
      "github",
      {
        source: "github",
        verify: ({ headers, secret }) =>
          headers["x-signature"] === Redacted.value(secret)
            ? Effect.void
            : Effect.fail(new Unauthenticated({ detail: "The signature is not that of the body" })),
        identify: (headers) =>
          headers["x-delivery"] === undefined
            ? Effect.fail(new InvalidInput({ pointer: "/headers/x-delivery", detail: "The delivery has no id" }))
            : Effect.succeed({ externalId: headers["x-delivery"], eventType: "push" }),
        normalise: ({ receivedAt }) => ({ type: "push", title: "", summary: "", occurredAt: receivedAt })
      }
    ]
  ])
)

const webhooksOn = (adapters: Layer.Layer<WebhookAdapters>) =>
  Webhooks.layer.pipe(
    Layer.provide([
      adapters,
      Layer.mock(JobQueue, {
        prepare: () => Effect.succeed({ store: "jobs" as const, rows: [], written: () => Effect.void })
      }),
      TestSecrets,
      Layer.mock(ObjectStore, {})
    ])
  )

/** Everything that the routes need, in memory. What no test asks for dies when it is called. */
export const fakesOn = (adapters: Layer.Layer<WebhookAdapters>) =>
  Layer.mergeAll(
    webhooksOn(adapters).pipe(Layer.provideMerge(WebhookRepositoryFake)),
    AuditFake.pipe(Layer.provideMerge(Acts.layer)),
    AuditTrailFake,
    AuthenticationFake,
    ContextRepositoryFake,
    ContextsFake,
    TasksFake,
    ToolsFake,
    DeadLettersFake,
    Layer.mock(ApiKeys, {}),
    ConnectionsFake,
    Layer.mock(ConnectionRepository, {}),
    Layer.mock(OAuthProviders, {}),
    Layer.mock(ApiKeyRepository, {}),
    Layer.mock(DocumentRepository, {}),
    Layer.mock(EventRepository, { list: () => Effect.succeed({ items: [], nextCursor: null }) }),
    // Of a tenant where nothing happens.
    Layer.mock(EventFeed, { open: () => Effect.succeed({ cursor: "now", entries: Stream.never }) }),
    Layer.mock(Knowledge, {}),
    Layer.mock(TenantRepository, {}),
    Layer.mock(ToolRepository, {}),
    ReplaysOnFakes,
    testLimits()
  ).pipe(Layer.provideMerge(NodeCrypto.layer))

export const fakes = fakesOn(WebhookAdaptersFake)
