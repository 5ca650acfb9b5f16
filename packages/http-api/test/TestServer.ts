import { HttpApiRoutes } from "@devops-mcp/http-api/HttpApiRoutes"
import { serve } from "@devops-mcp/infrastructure/HttpServer"
import { ConfigProvider, Effect, Layer, Logger, References } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, type HttpMethod, HttpServer } from "effect/http"
import { fakes, tokenOf } from "./Fakes.ts"

/** What the server logs, so that tests can look for it, or for its absence. */
export const logged: Array<string> = []

const log = (line: string) => {
  logged.push(line)
  globalThis.runWatch?.hear("logs", line)
}

const Logs = Layer.mergeAll(
  Logger.layer([Logger.map(Logger.formatJson, log)]),
  Layer.succeed(References.MinimumLogLevel, "Trace")
)

/** The HTTP API over a real socket, on fakes; and a client of it. */
export const testServer = (config: Readonly<Record<string, string>> = {}, on = fakes) =>
  HttpServer.layerTestClient.pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(serve(HttpApiRoutes)),
    Layer.provideMerge(on),
    Layer.provide(Logs),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0", ...config })))
  )

export const TestServer = testServer()

export interface Sent {
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly body?: string | Uint8Array
  readonly contentType?: string
}

/** Sends a request as it is, valid or not, and reads the whole answer. */
export const send = Effect.fnUntraced(function* (method: HttpMethod.HttpMethod, path: string, sent: Sent = {}) {
  const client = yield* HttpClient.HttpClient
  const contentType = sent.contentType ?? "application/json"
  const bytes = typeof sent.body === "string" ? new TextEncoder().encode(sent.body) : sent.body
  const body =
    bytes !== undefined
      ? HttpBody.uint8Array(bytes, contentType)
      : sent.json === undefined
        ? HttpBody.empty
        : HttpBody.jsonUnsafe(sent.json)
  const request = HttpClientRequest.make(method)(path, { body }).pipe(
    HttpClientRequest.setHeaders(sent.headers ?? {}),
    sent.key === undefined ? (self) => self : HttpClientRequest.bearerToken(tokenOf(sent.key))
  )
  const response = yield* client.execute(request)
  const text = yield* response.text
  const isJson = /[/+]json/.test(response.headers["content-type"] ?? "")
  return { status: response.status, headers: response.headers, text, json: isJson ? yield* response.json : undefined }
})
