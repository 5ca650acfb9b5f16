import * as BusMemory from "@devops-mcp/cache/BusMemory"
import { Changes } from "@devops-mcp/core/changes/Changes"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { AuditSilent } from "@devops-mcp/testing/AuditSilent"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert } from "@effect/vitest"
import { ProtocolError, Server } from "@modelcontextprotocol/server"
import { Context, Effect, Exit, Layer, Queue, Schema, Scope, Stream } from "effect"
import { SecureRandom } from "effect/crypto"
import type { HttpServerResponse } from "effect/http"
import { Caller, callerOf } from "../src/edge/Caller.ts"
import { type LegacyHttp, makeLegacyHttp } from "../src/http/legacy/LegacyHttp.ts"
import type { MakeServer } from "../src/http/legacy/SessionServer.ts"
import { wholeCatalogue } from "../src/registry/View.ts"

/** One database and one bus, which all replicas of a test share. */
export const SharedLayer = Layer.mergeAll(RepositoriesLive, Changes.layer, AuditSilent).pipe(
  Layer.provideMerge(Layer.mergeAll(TestDatabase, BusMemory.layer, SecureRandom.layerWebCrypto))
)

export const principalOf = (tenantId: TenantId, actor = "key-1"): Principal => ({
  tenantId,
  credential: "api_key",
  actor,
  name: actor,
  role: "agent",
  scopes: []
})

/** What the handlers wait for and tell; one for all replicas of a test. */
export interface Signals {
  readonly started: Queue.Queue<string>
  readonly aborted: Queue.Queue<string>
  readonly go: Queue.Queue<void>
}

export const makeSignals = Effect.gen(function* () {
  return {
    started: yield* Queue.unbounded<string>(),
    aborted: yield* Queue.unbounded<string>(),
    go: yield* Queue.unbounded<void>()
  } satisfies Signals
})

const text = (value: string) => ({ content: [{ type: "text" as const, text: value }] })

/** A small server: each tool does one thing that a transport must bring across. */
const serverWith =
  ({ aborted, go, started }: Signals): MakeServer =>
  () => {
    const server = new Server(
      { name: "small", version: "1" },
      {
        capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, logging: {} }
      }
    )
    const wait = () => Effect.runPromise(Queue.take(go))
    server.setRequestHandler("tools/call", async ({ params }, context) => {
      const { mcpReq } = context
      Queue.offerUnsafe(started, params.name)
      mcpReq.signal.addEventListener("abort", () => Queue.offerUnsafe(aborted, params.name))
      const say = (data: string) => mcpReq.log("info", data)
      switch (params.name) {
        case "who": {
          const principal = await Effect.runPromise(callerOf(context).principal)
          return text(principal.actor)
        }
        case "count": {
          for (let n = 1; n <= Number(params.arguments?.["to"]); n++) await say(String(n))
          return text("counted")
        }
        case "steps": {
          await say("first")
          await wait()
          await say("second")
          return text("done")
        }
        case "reconnect": {
          await say("before")
          context.http?.closeSSE?.()
          await wait()
          return text("after")
        }
        case "wait": {
          await wait()
          return text("waited")
        }
        case "ask": {
          const answer = await mcpReq.elicitInput({
            message: "Which?",
            requestedSchema: { type: "object", properties: { which: { type: "string" } } }
          })
          return text(`${answer.action} ${String(answer.content?.["which"])}`)
        }
        case "hang": {
          await new Promise(() => {})
          return text("never")
        }
        default:
          throw new ProtocolError(-32602, "Unknown tool")
      }
    })
    const subscriptions = (context: Parameters<typeof callerOf>[0]) => {
      const found = callerOf(context).subscriptions
      if (found === undefined) throw new ProtocolError(-32600, "There is no session")
      return found
    }
    server.setRequestHandler("resources/subscribe", async ({ params }, context) => {
      await Effect.runPromise(subscriptions(context).add(params.uri))
      return {}
    })
    server.setRequestHandler("resources/unsubscribe", async ({ params }, context) => {
      await Effect.runPromise(subscriptions(context).remove(params.uri))
      return {}
    })
    return server
  }

export interface SseEvent {
  readonly id?: string
  readonly retry?: string
  readonly data: string
}

const Message = Schema.Struct({
  id: Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite])),
  method: Schema.optionalKey(Schema.String),
  params: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  result: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  error: Schema.optionalKey(Schema.Struct({ code: Schema.Int, message: Schema.String }))
})
export type Message = typeof Message.Type
export const decodeMessage = Schema.decodeSync(Schema.fromJsonString(Message))
const decodeJson = Schema.decodeSync(Schema.fromJsonString(Schema.Unknown))

const eventOf = (block: string): ReadonlyArray<SseEvent> => {
  const fields = Object.fromEntries(
    block.split("\n").flatMap((line) => {
      const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value ?? ""]]
    })
  )
  const { data, id, retry } = fields
  return data === undefined
    ? []
    : [{ data, ...(id === undefined ? {} : { id }), ...(retry === undefined ? {} : { retry }) }]
}

/** The events of a response, as its client reads them. */
export const eventsOf = (response: HttpServerResponse.HttpServerResponse): Stream.Stream<SseEvent> => {
  assert.strictEqual(response.headers["content-type"], "text/event-stream")
  if (response.body._tag !== "Stream") return Stream.empty
  return response.body.stream.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.mapAccum(
      () => "",
      (block: string, line: string): readonly [string, ReadonlyArray<SseEvent>] =>
        line === "" ? ["", eventOf(block)] : [`${block}\n${line}`, []]
    ),
    Stream.orDie
  )
}

/** A client that reads a response's events one by one until the scope closes. */
export const reading = Effect.fnUntraced(function* (response: HttpServerResponse.HttpServerResponse) {
  const queue = yield* Queue.unbounded<SseEvent | undefined>()
  yield* Stream.runForEach(eventsOf(response), (event) => Queue.offer(queue, event)).pipe(
    Effect.andThen(Queue.offer(queue, undefined)),
    Effect.forkScoped({ startImmediately: true })
  )
  const next = Effect.flatMap(Queue.take(queue), (event) =>
    event === undefined ? Effect.die(new Error("The stream has ended")) : Effect.succeed(event)
  )
  return {
    next,
    message: Effect.map(next, ({ data }) => decodeMessage(data)),
    ended: Effect.map(Queue.take(queue), (event) => assert.isUndefined(event))
  }
})

export const jsonOf = (response: HttpServerResponse.HttpServerResponse): unknown => {
  assert.strictEqual(response.headers["content-type"], "application/json")
  return response.body._tag === "Uint8Array" ? decodeJson(new TextDecoder().decode(response.body.body)) : undefined
}

/** One replica; closing it is its death. */
export const makeReplica = Effect.fnUntraced(function* (signals: Signals) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
  const http: LegacyHttp = yield* Scope.provide(makeLegacyHttp(serverWith(signals)), scope)
  return { http, stop: Scope.close(scope, Exit.void) }
})

const accept = { accept: "application/json, text/event-stream" }

/** Speaks for one caller and, once it has one, one session. */
export const clientOf = (principal: Principal, session?: string) => {
  const request = (
    { http }: { readonly http: LegacyHttp },
    method: "POST" | "GET" | "DELETE",
    body: unknown,
    headers: Record<string, string> = {}
  ) =>
    http.handle({
      method,
      body,
      principal,
      headers: { ...accept, ...(session === undefined ? {} : { "mcp-session-id": session }), ...headers },
      caller: new Caller({
        admitted: principal,
        principal: Effect.succeed(principal),
        requestId: Effect.succeed("request"),
        context: Context.empty(),
        view: wholeCatalogue,
        subscriptions: undefined
      })
    })
  type Replica = Parameters<typeof request>[0]
  return {
    request,
    post: (replica: Replica, message: object, headers?: Record<string, string>) =>
      request(replica, "POST", { jsonrpc: "2.0", ...message }, headers),
    call: (replica: Replica, id: number | string, name: string, args: object = {}) =>
      request(replica, "POST", { jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: args } }),
    listen: (replica: Replica, lastEventId?: string) =>
      request(replica, "GET", undefined, lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
    end: (replica: Replica) => request(replica, "DELETE", undefined)
  }
}

/** A client with a session that began on the replica. */
export const connect = Effect.fnUntraced(function* (
  replica: { readonly http: LegacyHttp },
  principal: Principal,
  protocolVersion = "2025-11-25"
) {
  const response = yield* clientOf(principal).post(replica, {
    id: 0,
    method: "initialize",
    params: {
      protocolVersion,
      capabilities: { elicitation: {} },
      clientInfo: { name: "test", version: "1" }
    }
  })
  const session = response.headers["mcp-session-id"] ?? ""
  const client = clientOf(principal, session)
  const ready = yield* client.post(replica, { method: "notifications/initialized" })
  assert.strictEqual(ready.status, 202)
  return { ...client, session }
})
