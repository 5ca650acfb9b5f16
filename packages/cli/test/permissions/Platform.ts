import { StartProgram } from "@devops-mcp/cli/Start"
import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { scopesOf } from "@devops-mcp/core/Policy"
import { ConnectionRepository } from "@devops-mcp/core/ports/ConnectionRepository"
import { DeadLetterRepository } from "@devops-mcp/core/ports/DeadLetterRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { TaskRepository } from "@devops-mcp/core/ports/TaskRepository"
import {
  ApiKeyId,
  ConnectionId,
  DeadLetterId,
  DeliveryId,
  EventId,
  TaskId,
  type TenantId,
  WebhookId
} from "@devops-mcp/domain/Ids"
import { type Principal, Role, type Scope } from "@devops-mcp/domain/Principal"
import { acceptOne, anySealedText, freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { checkout } from "@devops-mcp/testing/Program"
import { testEnvironment } from "@devops-mcp/testing/TestDatabase"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, DateTime, Effect, FileSystem, Layer, Redacted, References, Schema } from "effect"
import { HttpClient, HttpClientRequest, type HttpMethod, HttpServer } from "effect/http"
import { SqlClient } from "effect/sql"

/** The whole platform in this process, on stores of its own, with limits that no table meets. */
export const Platform = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const env = {
      ...(yield* testEnvironment),
      PORT: "0",
      DEVOPS_MCP_HOME: yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" }),
      DEVOPS_MCP_BOOTSTRAP_API_KEY: `dmk_${"permissions-".repeat(4)}`,
      GIT_ROOTS: checkout,
      RATE_LIMIT_PER_MINUTE: "1000000",
      RATE_LIMIT_TENANT_PER_MINUTE: "1000000",
      RATE_LIMIT_ADDRESS_PER_MINUTE: "1000000"
    }
    return StartProgram({ gitRoots: [checkout], onProgress: () => Effect.void }).pipe(
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
    )
  })
).pipe(
  Layer.provide(Layer.succeed(References.MinimumLogLevel, "None")),
  Layer.provideMerge(Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici))
)

/** Where it listens. */
export const address = HttpServer.HttpServer.useSync((server) => HttpServer.formatAddress(server.address))

/** Something that somebody sends as a credential, and what it may do. */
export interface Holder {
  readonly name: string
  readonly key: string | undefined
  /** Undefined for one that is nobody's. */
  readonly scopes: ReadonlyArray<Scope> | undefined
}

export interface Request {
  readonly method: HttpMethod.HttpMethod
  readonly path: string
  readonly json?: unknown
}

/** Sends a request as a holder and reads the whole answer. */
export const send = Effect.fnUntraced(function* ({ key }: Pick<Holder, "key">, { json, method, path }: Request) {
  const request = HttpClientRequest.make(method)(`${yield* address}${path}`).pipe(
    key === undefined ? (self) => self : HttpClientRequest.bearerToken(key),
    json === undefined ? (self) => self : HttpClientRequest.bodyJsonUnsafe(json)
  )
  const response = yield* HttpClient.execute(request)
  return { status: response.status, headers: response.headers, text: yield* response.text }
})

/** What a request to make something answers about it. */
const Made = Schema.fromJsonString(Schema.Struct({ id: Schema.optionalKey(Schema.String) }))
const decodeMade = Schema.decodeEffect(Made)

const now = DateTime.makeUnsafe("2026-01-02T03:04:05.678Z")

const issue = Effect.fnUntraced(function* (tenantId: TenantId, name: string, role: Role, scopes = scopesOf(role)) {
  const { key, secret } = yield* (yield* ApiKeys).issueTo(tenantId, name, role)
  if (scopes !== scopesOf(role)) {
    const sql = yield* SqlClient.SqlClient
    yield* sql`update api_keys set scopes = ${scopes} where id = ${key.id}`
  }
  return { id: key.id, name, key: Redacted.value(secret), scopes }
})

/** The keys of a tenant: one of each role, one with less than its role, and those that are worth nothing. */
const issueKeys = Effect.fnUntraced(function* (tenantId: TenantId) {
  const sql = yield* SqlClient.SqlClient
  const roles = yield* Effect.forEach(Role.literals, (role) => issue(tenantId, role, role))
  const narrow = yield* issue(tenantId, "admin with events:read alone", "admin", ["events:read"])
  const expired = yield* issue(tenantId, "expired", "platform")
  yield* sql`update api_keys set expires_at = now() - interval '1 second' where id = ${expired.id}`
  const revoked = yield* issue(tenantId, "revoked", "platform")
  yield* (yield* ApiKeys).revoke(tenantId, revoked.id)
  const nobodies: ReadonlyArray<Holder> = [
    { name: "no credential", key: undefined, scopes: undefined },
    { name: "no key at all", key: "x", scopes: undefined },
    { name: "a key that nobody has", key: `dmk_${"nobody-".repeat(7)}`, scopes: undefined },
    { name: "an expired key", key: expired.key, scopes: undefined },
    { name: "a revoked key", key: revoked.key, scopes: undefined }
  ]
  return { holders: [...roles, narrow] satisfies ReadonlyArray<Holder>, nobodies }
})

/** A tenant with one of everything, all of it with the mark somewhere, and its keys. */
export const makeTeam = Effect.fnUntraced(function* (mark: string) {
  const tenantId = yield* freshTenant
  const { holders, nobodies } = yield* issueKeys(tenantId)
  const [, , , admin, platform] = holders
  if (admin === undefined || platform === undefined) return yield* Effect.die("There are five roles")
  const make = Effect.fnUntraced(function* (path: string, json: unknown) {
    const { status, text } = yield* send(admin, { method: "POST", path: `/api/v1${path}`, json })
    if (status >= 300) return yield* Effect.die(new Error(`${path}: ${status} ${text}`))
    return (yield* decodeMade(text)).id ?? ""
  })
  const items = [{ role: "user", content: mark }]
  const context = yield* make("/contexts", { name: mark })
  yield* make(`/contexts/${context}/items`, { items })
  const document = yield* make("/documents", { title: mark, text: mark })
  const webhook = yield* make("/webhooks", { source: "github", name: mark })
  const tool = `git-${mark}`
  yield* make("/tools", { name: tool, kind: "git" })
  const spareKey = yield* make("/api-keys", { name: mark, role: "viewer" })
  const provider = `provider-${mark}`
  const endpoint = (name: string) => `http://localhost:9/${mark}/${name}`
  yield* make("/oauth-providers", {
    name: provider,
    authorizationEndpoint: endpoint("authorize"),
    tokenEndpoint: endpoint("token"),
    clientId: mark,
    allowPrivateNetwork: true
  })

  const owner: Principal = {
    tenantId,
    credential: "api_key",
    actor: freshId(ApiKeyId),
    name: mark,
    role: "admin",
    scopes: scopesOf("admin")
  }
  const [delivery, event] = [freshId(DeliveryId), freshId(EventId)]
  yield* acceptOne(tenantId, {
    id: delivery,
    webhookId: WebhookId.make(webhook),
    source: "github",
    externalId: mark,
    eventType: "push",
    payload: { mark },
    receivedAt: now
  })
  yield* (yield* EventRepository).upsert(tenantId, {
    id: event,
    source: "github",
    type: "push",
    title: mark,
    summary: mark,
    occurredAt: now,
    receivedAt: now,
    deliveryId: delivery,
    status: "received"
  })
  const letter = freshId(DeadLetterId)
  yield* (yield* DeadLetterRepository).put(tenantId, {
    id: letter,
    queue: "deliveries",
    jobId: delivery,
    type: "FlyToTheMoon",
    error: mark,
    attempts: 1,
    redrives: 0,
    // Nobody can read it, so its own tenant's callers can put it back as often as they like.
    payload: { mark },
    failedAt: now
  })
  const task = freshId(TaskId)
  const times = { createdAt: now, updatedAt: now, expiresAt: DateTime.add(yield* DateTime.now, { hours: 1 }) }
  yield* (yield* TaskRepository).create(owner, { id: task, kind: mark, status: "working", ...times }, { mark }, 100)
  const connection = freshId(ConnectionId)
  yield* (yield* ConnectionRepository).put(
    owner,
    { id: connection, provider, shared: true, status: "connected", scopes: [mark], createdAt: now, updatedAt: now },
    { accessToken: anySealedText, scopes: [mark] }
  )
  const ids = { tenantId, context, document, webhook, tool, spareKey, provider, event, letter, task, connection }
  return { mark, ids, admin, platform, holders, nobodies }
})

export type Team = Effect.Success<ReturnType<typeof makeTeam>>
