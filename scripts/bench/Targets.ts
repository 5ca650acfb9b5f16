import { Api } from "@devops-mcp/contract/Api"
import { Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import type { LoadRequest } from "./Load.ts"
import type { Server, Settings } from "./Server.ts"

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

const eras = {
  modern: {
    headers: { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "context_get" },
    meta: {
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { name: "devops-mcp-bench", version: "1" }
      }
    }
  },
  legacy: { headers: { "mcp-protocol-version": "2025-11-25" }, meta: {} }
}

/** `tools/call` of `context_get`, as a client of either era sends it. */
export const mcpCall = (era: keyof typeof eras, server: Server, { id, key }: BenchContext): LoadRequest => {
  const { headers, meta } = eras[era]
  const params = { ...meta, name: "context_get", arguments: { contextId: id } }
  return {
    url: new URL("/mcp", server.url),
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers
    },
    body: encodeJson({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
    expected: '"structuredContent":{"items":[{'
  }
}
