import type { Act } from "@devops-mcp/core/audit/Audit"
import { assert } from "@effect/vitest"
import { ConfigProvider, Effect, Predicate, Queue, type Scope } from "effect"
import { createInterface } from "node:readline"
import { PassThrough } from "node:stream"
import { WebSocket } from "ws"
import { serveMcpStdio } from "../src/McpStdio.ts"
import { keyOf, Observed, principalOf } from "./Fakes.ts"
import { open, send } from "./RawHttp.ts"
import { Address } from "./TestServer.ts"
import { envelope } from "./WebSocketFakes.ts"

/** Of all HTTP requests. */
export const requestId = "asked-by-the-test"
export const authorization = `Bearer ${keyOf("viewer")}`
export const modern = "2026-07-28"
export const legacy = "2025-11-25"

const params: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: legacy, capabilities: {}, clientInfo: { name: "test", version: "1" } },
  "tools/call": { name: "nothing", arguments: {} },
  "resources/read": { uri: "context://one" },
  "resources/subscribe": { uri: "context://one" },
  "resources/unsubscribe": { uri: "context://one" },
  "prompts/get": { name: "nothing" },
  "completion/complete": { ref: { type: "ref/prompt", name: "nothing" }, argument: { name: "a", value: "" } },
  "logging/setLevel": { level: "info" },
  "subscriptions/listen": { notifications: { toolsListChanged: true } },
  "notifications/cancelled": { requestId: "nothing" },
  "notifications/progress": { progressToken: "nothing", progress: 1 }
}

/** As JSON, right or wrong. */
export type Message = Readonly<Record<string, unknown>>

/** A message as a client that knows the method would send it. */
export const messageOf = (method: string, id: number, revision: string): Message => {
  const meta = revision === modern ? { _meta: envelope } : {}
  const given = method.startsWith("tasks/") ? { taskId: "nothing" } : (params[method] ?? {})
  return {
    jsonrpc: "2.0",
    ...(method.startsWith("notifications/") ? {} : { id }),
    method,
    params: { ...meta, ...given }
  }
}

/** A client that is connected. */
export interface Conversation {
  readonly revision: string
  /** Whether rows have the request id that the client gave. */
  readonly namesRequests: boolean
  /** Succeeds when a request is answered, and when a notification is sent. */
  readonly say: (message: Message) => Effect.Effect<unknown, unknown, Scope.Scope>
}

interface Stream extends Conversation {
  /** Does not wait for an answer. */
  readonly tell: (message: Message) => Effect.Effect<void>
}

/** What an HTTP request with this message has to say of it. */
export const headersOf = (message: Message, revision: string): Record<string, string> => {
  const { params: given } = message
  const name = ["name", "uri", "taskId"].flatMap((key) =>
    Predicate.hasProperty(given, key) && typeof given[key] === "string" ? [given[key]] : []
  )[0]
  return {
    authorization,
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "x-request-id": requestId,
    "mcp-protocol-version": revision,
    ...(revision === modern ? { "mcp-method": String(message["method"]) } : {}),
    ...(revision === modern && name !== undefined ? { "mcp-name": name } : {})
  }
}

const overHttp = (revision: string) =>
  Effect.gen(function* () {
    const { url } = yield* Address
    let session: Record<string, string> = {}
    if (revision === legacy) {
      const initialize = messageOf("initialize", 0, revision)
      const answer = yield* send(url, { body: JSON.stringify(initialize), headers: headersOf(initialize, revision) })
      session = { "mcp-session-id": String(answer.headers["mcp-session-id"]) }
    }
    return {
      revision,
      namesRequests: true,
      say: (message) =>
        open({ url, body: JSON.stringify(message), headers: { ...headersOf(message, revision), ...session } })
    } satisfies Conversation
  })

/** Messages one after the other; each request waits for its answer, or for the acknowledgement of a subscription. */
const overStream = Effect.fnUntraced(function* (
  revision: string,
  lines: Queue.Queue<unknown>,
  write: (text: string) => void
) {
  const tell = (message: Message) => Effect.sync(() => write(JSON.stringify(message)))
  const say = (message: Message) =>
    Effect.andThen(
      tell(message),
      "id" in message && "method" in message
        ? Effect.repeat(Queue.take(lines), {
            until: (answer) =>
              Predicate.hasProperty(answer, "id")
                ? answer.id === message["id"]
                : Predicate.hasProperty(answer, "method") && String(answer.method).endsWith("acknowledged")
          })
        : Effect.void
    )
  const first = revision === legacy ? "initialize" : "tools/list"
  yield* say(messageOf(first, 0, revision))
  return { revision, namesRequests: false, say, tell } satisfies Stream
})

const overWebSocket = (revision: string) =>
  Effect.gen(function* () {
    const { baseUrl } = yield* Address
    const lines = yield* Queue.unbounded<unknown>()
    const socket = yield* Effect.acquireRelease(
      Effect.callback<WebSocket>((resume) => {
        const opened = new WebSocket(`${baseUrl.replace("http", "ws")}/mcp/ws`, ["mcp"], { headers: { authorization } })
        opened.on("message", (data) => Queue.offerUnsafe(lines, JSON.parse(String(data))))
        opened.on("open", () => resume(Effect.succeed(opened)))
      }),
      (opened) => Effect.sync(() => opened.terminate())
    )
    return yield* overStream(revision, lines, (text) => socket.send(text))
  })

const overStdio = (revision: string) =>
  Effect.gen(function* () {
    const streams = { stdin: new PassThrough(), stdout: new PassThrough() }
    const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({ DEVOPS_MCP_API_KEY: keyOf("viewer") }))
    yield* Effect.forkScoped(Effect.provide(serveMcpStdio(streams), environment), { startImmediately: true })
    const lines = yield* Queue.unbounded<unknown>()
    createInterface({ input: streams.stdout }).on("line", (line) => Queue.offerUnsafe(lines, JSON.parse(line)))
    return yield* overStream(revision, lines, (text) => streams.stdin.write(`${text}\n`))
  })

/** Every way to talk to this server, of which each knows both eras. */
export const transports = { "Streamable HTTP": overHttp, "a WebSocket": overWebSocket, "standard streams": overStdio }

const { actor, tenantId } = principalOf("viewer")

/** Except ends of connections, which other tests had. */
export const rows = Effect.gen(function* () {
  const { acts } = yield* Observed
  return (yield* Queue.clear(acts)).filter(({ action }) => !action.endsWith("_end"))
})

/** The rows of one message. Those of another, sent after it, tell that they are all there. */
export const rowsOf = Effect.fnUntraced(function* ({ revision, say }: Conversation, message: Message) {
  yield* rows
  yield* Effect.scoped(say(message))
  yield* Effect.scoped(say(messageOf("tools/list", 999_999, revision)))
  const found = yield* rows
  const last = found.findLastIndex(({ action }) => action === "mcp.tools/list")
  return found.toSpliced(last, 1)
})

/** The only row, which is the caller's. */
export const single = (found: ReadonlyArray<Act>, what: string): Act => {
  const [act, ...others] = found
  assert.isDefined(act, `${what} has no row`)
  assert.deepStrictEqual(others, [], `${what} has more than one row`)
  assert.deepInclude(act?.principal, { actor, tenantId })
  return act as Act
}
