import { Api } from "@devops-mcp/contract/Api"
import { Array, Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { concurrency, LoadFailed, type LoadRequests } from "./Load.ts"
import type { Server, Settings } from "./Server.ts"
import type { LoadRequest } from "./Wire.ts"

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

const client = (url: string, key: string) =>
  HttpApiClient.make(Api, {
    transformClient: HttpClient.mapRequest((request) =>
      request.pipe(HttpClientRequest.prependUrl(url), HttpClientRequest.bearerToken(key))
    )
  })

const messages = [
  { role: "user", content: "The deployment of checkout to staging failed after ten minutes. What happened?" },
  {
    role: "assistant",
    content: "Its new pods do not become ready: /readyz answers 503 because a migration is missing."
  },
  { role: "user", content: "Run the migration and deploy again." }
] as const

/** A small context in a tenant of its own, and the key of an agent that may read it. */
export const makeContext = Effect.fnUntraced(function* (server: Server, settings: Settings) {
  const platform = yield* client(server.url, settings.key)
  const tenant = yield* platform.tenants.create({ payload: { name: "bench" } })
  const { key } = yield* platform.apiKeys.create({ payload: { name: "bench", role: "agent", tenantId: tenant.id } })
  const agent = yield* client(server.url, key)
  const context = yield* agent.contexts.create({ payload: { name: "bench", maxTokens: 4000 } })
  yield* agent.contexts.append({ params: { id: context.id }, payload: { items: messages } })
  return { id: context.id, key }
})

export type BenchContext = Effect.Success<ReturnType<typeof makeContext>>

/** `GET /api/v1/contexts/{id}`. */
export const httpGet = (server: Server, { id, key }: BenchContext): LoadRequest => ({
  url: new URL(`/api/v1/contexts/${id}`, server.url),
  headers: { authorization: `Bearer ${key}` },
  expected: `"itemCount":${messages.length}`
})

/** As many bytes from the plain server, asked for by the same request. */
export const plain = (server: Server, request: LoadRequest, bytes: number): LoadRequest => ({
  ...request,
  url: new URL(`/bytes/${bytes}`, server.url),
  expected: "x"
})

/** Where an MCP server is, and as whom it is called. */
export interface Endpoint {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

export const endpoint = (server: Server, path: string, key?: string): Endpoint => ({
  url: new URL(path, server.url),
  headers: {
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    "content-type": "application/json",
    accept: "application/json, text/event-stream"
  }
})

/** What is called. */
export interface ToolCall {
  readonly name: string
  readonly arguments: Schema.JsonObject
  readonly expected: string
}

/** Answered from memory: what it costs is the way there and back. */
export const describe: ToolCall = {
  name: "tools_describe",
  arguments: { names: ["context_get"] },
  expected: '"structuredContent":{"items":[{"name":"context_get"'
}

/** What agents do all day: it reads the database. */
export const contextGet = ({ id }: BenchContext): ToolCall => ({
  name: "context_get",
  arguments: { contextId: id },
  expected: '"structuredContent":{"items":[{'
})

const revisions = { modern: "2026-07-28", legacy: "2025-11-25" }

const clientInfo = { name: "devops-mcp-bench", version: "1" }

const meta = {
  "io.modelcontextprotocol/protocolVersion": revisions.modern,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": clientInfo
}

const message = (method: string, params: Schema.JsonObject) => encodeJson({ jsonrpc: "2.0", id: 1, method, params })

const call = ({ arguments: input, name }: ToolCall, more: Schema.JsonObject = {}) =>
  message("tools/call", { ...more, name, arguments: input })

/** `tools/call` of 2026-07-28 over HTTP. */
export const modernCall = ({ headers, url }: Endpoint, tool: ToolCall): LoadRequest => ({
  url,
  headers: {
    ...headers,
    "mcp-protocol-version": revisions.modern,
    "mcp-method": "tools/call",
    "mcp-name": tool.name
  },
  body: call(tool, { _meta: meta }),
  expected: tool.expected
})

/** `tools/call` of 2026-07-28 over a WebSocket. */
export const webSocketCall = ({ headers, url }: Endpoint, tool: ToolCall): LoadRequest => ({
  ...modernCall({ headers, url }, tool),
  url: new URL(url.href.replace(/^http/, "ws")),
  headers
})

const post = Effect.fnUntraced(function* ({ headers, url }: Endpoint, body: string) {
  const request = HttpClientRequest.post(url, { headers }).pipe(HttpClientRequest.bodyText(body, "application/json"))
  const response = yield* HttpClient.execute(request)
  const text = yield* response.text
  if (response.status > 299) return yield* new LoadFailed({ detail: `${url.href} answered ${response.status} ${text}` })
  return { headers: response.headers, text }
})

const openSession = Effect.fnUntraced(function* (to: Endpoint) {
  const initialize = message("initialize", { protocolVersion: revisions.legacy, capabilities: {}, clientInfo })
  const { headers } = yield* post(to, initialize)
  const session = headers["mcp-session-id"]
  if (session === undefined) return yield* new LoadFailed({ detail: `${to.url.href} opened no session` })
  const inSession = {
    ...to,
    headers: { ...to.headers, "mcp-protocol-version": revisions.legacy, "mcp-session-id": session }
  }
  yield* post(inSession, encodeJson({ jsonrpc: "2.0", method: "notifications/initialized" }))
  return inSession
})

/** Sessions of 2025-11-25, one for each connection, in which tools are called. */
export const openSessions = Effect.fnUntraced(function* (to: Endpoint) {
  const sessions = yield* Effect.forEach(
    Array.makeBy(concurrency, () => to),
    openSession
  )
  return (tool: ToolCall): LoadRequests =>
    Array.map(sessions, ({ headers, url }) => ({ url, headers, body: call(tool), expected: tool.expected }))
})

const Answer = Schema.fromJsonString(
  Schema.Struct({ result: Schema.Struct({ structuredContent: Schema.Record(Schema.String, Schema.Json) }) })
)

/** What a tool returns, as JSON. */
export const resultOf = Effect.fnUntraced(function* (to: Endpoint, tool: ToolCall) {
  const { body = "", headers, url } = modernCall(to, tool)
  const { text } = yield* post({ url, headers }, body)
  const { result } = yield* Schema.decodeEffect(Answer)(text)
  return encodeJson(result.structuredContent)
})
