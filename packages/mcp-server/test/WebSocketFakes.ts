import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { Revocations } from "@devops-mcp/core/access/Revocations"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { type Change, Changes } from "@devops-mcp/core/changes/Changes"
import { scopesOf } from "@devops-mcp/core/Policy"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { Unauthenticated } from "@devops-mcp/domain/Errors"
import { ApiKeyId, TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { AuditSilent } from "@devops-mcp/testing/AuditSilent"
import { testLimits } from "@devops-mcp/testing/TestLimits"
import { ConfigProvider, Context, Deferred, Effect, Layer, Option, Queue, Redacted, Schema } from "effect"
import { HttpServer } from "effect/http"
import type { IncomingMessage } from "node:http"
import { type ClientOptions, WebSocket } from "ws"
import { Registries } from "../src/edge/Registries.ts"
import { invalidParams } from "../src/registry/ProtocolFailure.ts"
import { PromptRegistry } from "../src/registry/PromptRegistry.ts"
import { objectSchema, type RegisteredTool } from "../src/registry/RegisteredTool.ts"
import { ResourceRegistry } from "../src/registry/ResourceRegistry.ts"
import { TaskRegistry } from "../src/registry/TaskRegistry.ts"
import { ToolRegistry } from "../src/registry/ToolRegistry.ts"
import { WebSocketRoutes } from "../src/websocket/WebSocketRoutes.ts"

export const tenantId = TenantId.make("0192f0c1-0000-7000-8000-00000000000a")
export const otherTenantId = TenantId.make("0192f0c1-0000-7000-8000-00000000000f")

export const principal: Principal = {
  tenantId,
  credential: "api_key",
  actor: ApiKeyId.make("0192f0c1-0000-7000-8000-00000000000b"),
  name: "agent",
  role: "agent",
  scopes: scopesOf("agent")
}

export const key = "dmk_agent"
export const storeDown = "dmk_store_down"
export const revocableKey = "dmk_short"

/** A key that others know by its id. */
export const knownKey = "dmk_known"
export const knownKeyId = ApiKeyId.make("01980000-0000-7000-8000-0000000000e1")

/** What tests say to the fakes and hear of them; signals instead of sleeps. */
export class Signals extends Context.Service<
  Signals,
  {
    readonly revoked: Set<string>
    /** States of the caller's tasks. */
    readonly tasks: Map<string, Schema.JsonObject>
    readonly hanging: Queue.Queue<void>
    readonly interrupted: Queue.Queue<void>
  }
>()("@devops-mcp/mcp-server/test/WebSocketFakes/Signals") {
  static readonly layer = Layer.effect(
    Signals,
    Effect.gen(function* () {
      return {
        revoked: new Set<string>(),
        tasks: new Map<string, Schema.JsonObject>(),
        hanging: yield* Queue.unbounded<void>(),
        interrupted: yield* Queue.unbounded<void>()
      }
    })
  )
}

const AuthenticationFake = Layer.effect(
  Authentication,
  Effect.map(Signals, ({ revoked }) => ({
    authenticate: (credential: Redacted.Redacted) =>
      Effect.gen(function* () {
        const given = Redacted.value(credential)
        if (given === storeDown) {
          return yield* new StoreError({ operation: "find", retryable: true, cause: new Error("connection") })
        }
        if (![key, revocableKey, knownKey].includes(given) || revoked.has(given)) {
          return yield* new Unauthenticated({ detail: "The API key is not valid" })
        }
        return { ...principal, actor: given === knownKey ? knownKeyId : given }
      })
  }))
)

const ChangesFake = Layer.sync(Changes, () => {
  const listeners = new Set<(change: Change) => void>()
  return Changes.of({
    announce: (change) =>
      Effect.sync(() => {
        for (const listener of listeners) listener(change)
      }),
    listen: (listener) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener))
        )
      )
  })
})

const registered = (name: string): RegisteredTool => ({
  definition: {
    name,
    title: name,
    description: name,
    inputSchema: objectSchema({ type: "object" }),
    annotations: {
      title: name,
      readOnlyHint: true,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: false
    }
  },
  toolset: "test",
  scope: "contexts:read",
  execution: "inline",
  headers: []
})

const isObject = Schema.is(Schema.JsonObject)

const ToolRegistryFake = Layer.effect(
  ToolRegistry,
  Effect.map(Signals, ({ hanging, interrupted }) =>
    ToolRegistry.of({
      list: () => Effect.succeed(["echo", "hang", "progress"].map(registered)),
      find: () => Effect.succeed(Option.none()),
      toolsets: () => Effect.succeed(new Set(["test"])),
      call: ({ arguments: given, client, name }) => {
        switch (name) {
          case "echo":
            return Effect.succeed({ _tag: "Result", structured: isObject(given) ? given : {}, text: "echo" } as const)
          case "progress":
            return client
              .progress({ progress: 1, total: 2 })
              .pipe(
                Effect.andThen(client.progress({ progress: 2, total: 2 })),
                Effect.as({ _tag: "Result", structured: {}, text: "done" } as const)
              )
          case "hang":
            return Queue.offer(hanging, undefined).pipe(
              Effect.andThen(Effect.never),
              Effect.onInterrupt(() => Queue.offer(interrupted, undefined))
            )
          default:
            return Effect.fail(invalidParams("Unknown tool"))
        }
      }
    })
  )
)

const TaskRegistryFake = Layer.effect(
  TaskRegistry,
  Effect.map(Signals, ({ tasks }) => ({
    created: () => ({}),
    get: (_, taskId) =>
      Effect.fromOption(Option.fromUndefinedOr(tasks.get(taskId))).pipe(
        Effect.mapError(() => invalidParams(`There is no task '${taskId}'`))
      ),
    update: () => Effect.succeed({}),
    cancel: () => Effect.succeed({})
  }))
)

/** Everything but the transports, answered from memory. */
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
  Layer.provide([
    ToolRegistryFake,
    Layer.mock(ResourceRegistry, { canRead: () => Effect.void }),
    Layer.mock(PromptRegistry, {}),
    TaskRegistryFake
  ]),
  Layer.provideMerge(ChangesFake),
  Layer.provideMerge(Layer.provide(Revocations.layer, BusMemory.layer)),
  Layer.provideMerge(Layer.mergeAll(AuthenticationFake, testLimits(), AuditSilent, NodeCrypto.layer)),
  Layer.provideMerge(Signals.layer)
)

const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0", MAX_BODY_BYTES: "200000" }))

/** The real routes on a real socket. */
export const SocketServer = serve(WebSocketRoutes).pipe(Layer.provideMerge(RegistriesFake), Layer.provide(settings))

/** Where the server listens, without a scheme. */
export const host = Effect.map(
  HttpServer.HttpServer,
  ({ address }) => `localhost:${"port" in address ? address.port : 0}`
)

/** The server said no before the upgrade. */
export class Refused extends Schema.TaggedError<Refused>()("@devops-mcp/mcp-server/test/WebSocketFakes/Refused", {
  status: Schema.Int,
  headers: Schema.Record(Schema.String, Schema.Unknown),
  body: Schema.String
}) {}

const refusedBy = (response: IncomingMessage, resume: (refused: Refused) => void) => {
  let body = ""
  response.setEncoding("utf8").on("data", (text: string) => (body += text))
  response.on("end", () => resume(new Refused({ status: response.statusCode ?? 0, headers: response.headers, body })))
}

/** A client frame by frame; an object is sent as JSON, anything else as it is. */
export const openSocket = Effect.fnUntraced(function* (
  options: ClientOptions & { readonly path?: string; readonly protocols?: ReadonlyArray<string> } = {}
) {
  const { path = "/mcp/ws", protocols = ["mcp"], ...rest } = options
  const url = `ws://${yield* host}${path}`
  const frames = yield* Queue.unbounded<Record<string, unknown>>()
  const closed = yield* Deferred.make<number>()
  const socket = yield* Effect.acquireRelease(
    Effect.callback<WebSocket, Refused>((resume) => {
      const opened = new WebSocket(url, [...protocols], { headers: { authorization: `Bearer ${key}` }, ...rest })
      opened.on("message", (data) => Queue.offerUnsafe(frames, JSON.parse(data.toString())))
      opened.on("close", (code) => Deferred.doneUnsafe(closed, Effect.succeed(code)))
      opened.on("error", () => undefined)
      opened.on("open", () => resume(Effect.succeed(opened)))
      opened.on("unexpected-response", (_, response) => refusedBy(response, (refused) => resume(Effect.fail(refused))))
    }),
    (open) => Effect.sync(() => open.terminate())
  )
  return {
    socket,
    frames,
    /** The next message. */
    next: Queue.take(frames),
    /** The close code. */
    closed: Deferred.await(closed),
    send: (message: string | Buffer | object) =>
      Effect.sync(() =>
        socket.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message))
      )
  }
})

/** `_meta` of a request of 2026-07-28. */
export const envelope = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" }
}

export const request = (id: unknown, method: string, params: object = {}) => ({
  jsonrpc: "2.0",
  id,
  method,
  params: { _meta: envelope, ...params }
})
export const call = (id: unknown, name: string, more: object = {}) =>
  request(id, "tools/call", { name, arguments: { given: id }, ...more })
export const notification = (method: string, params: object = {}) => ({ jsonrpc: "2.0", method, params })
