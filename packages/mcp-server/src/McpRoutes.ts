import { credentialOf } from "@devops-mcp/core/access/Credential"
import { Authentication } from "@devops-mcp/core/access/Authentication"
import { deepestNesting, isNestedDeeper } from "@devops-mcp/core/JsonNesting"
import { maxBodyBytes } from "@devops-mcp/infrastructure/Settings"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { createMcpHandler } from "@modelcontextprotocol/server"
import { ByteSize, Duration, Effect, Option, Result, Schema } from "effect"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Caller } from "./edge/Caller.ts"
import { guardConfig, refusalOf } from "./edge/Guards.ts"
import { makeSdkServer, sdkReporter } from "./edge/SdkServer.ts"
import { ToolRegistry } from "./registry/ToolRegistry.ts"

/** How long a client may take to send a request's body. */
const bodyTimeout = Duration.seconds(30)

/** How long clients should wait before they ask again when the database does not answer. */
const retryAfterSeconds = 1

const parseJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

/** A refusal before the protocol begins, as the specification shapes it: a JSON-RPC error without an id. */
class Refusal extends Schema.TaggedError<Refusal>()("@devops-mcp/mcp-server/McpRoutes/Refusal", {
  status: Schema.Int,
  detail: Schema.String,
  headers: Schema.Record(Schema.String, Schema.String)
}) {}

const refuse = (status: number, detail: string, headers: Record<string, string> = {}) =>
  new Refusal({ status, detail, headers })

/** Nothing of the credential, and the same words for every reason. */
const challenge = (detail: string) => ({
  "www-authenticate": `Bearer realm="devops-mcp", error="invalid_token", error_description="${detail}"`
})

const missing = "Send an API key as `Authorization: Bearer TOKEN` or `X-API-Key: TOKEN`"

const authenticate = Effect.fnUntraced(function* (
  authentication: Authentication["Service"],
  headers: Readonly<Record<string, string | undefined>>
) {
  const credential = credentialOf(headers)
  if (Option.isNone(credential)) return yield* refuse(401, missing, challenge("No credential"))
  return yield* authentication.authenticate(credential.value).pipe(
    Effect.catchTags({
      "@devops-mcp/domain/Errors/Unauthenticated": ({ detail }) => Effect.fail(refuse(401, detail, challenge(detail))),
      "@devops-mcp/core/ports/StoreError": (error) =>
        Effect.andThen(
          Effect.logWarning("A caller could not be authenticated", error),
          Effect.fail(refuse(503, "The database did not answer", { "retry-after": String(retryAfterSeconds) }))
        )
    })
  )
})

const readBody = (request: HttpServerRequest.HttpServerRequest, limit: ByteSize.ByteSize) =>
  request.text.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, limit),
    Effect.mapError(({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
        ? refuse(413, `The body is larger than ${ByteSize.format(limit)}`)
        : refuse(400, "The body could not be read")
    ),
    Effect.timeoutOrElse({ duration: bodyTimeout, orElse: () => Effect.fail(refuse(408, "The body did not arrive")) })
  )

/** Streams go on as they are; anything else is sent whole, with its length. */
const fromWeb = (response: Response): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const contentType = response.headers.get("content-type")
  if (response.body === null || contentType?.startsWith("text/event-stream")) {
    return Effect.succeed(HttpServerResponse.fromWeb(response))
  }
  return Effect.map(
    Effect.promise(() => response.text()),
    (body) =>
      HttpServerResponse.text(body, {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        contentType: contentType ?? "application/json"
      })
  )
}

/**
 * `/mcp`: Streamable HTTP, the 2026-07-28 revision and the older ones that the SDK serves without sessions. Checks come
 * in the order host and origin, credential, method, size; only then does the SDK see the request.
 */
export const McpRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const registry = yield* ToolRegistry
    const authentication = yield* Authentication
    const rules = yield* guardConfig
    const bodyLimit = yield* maxBodyBytes

    const handler = yield* Effect.acquireRelease(
      Effect.map(Effect.context<never>(), (context) =>
        createMcpHandler(
          ({ authInfo }) => {
            const caller = authInfo?.extra?.["caller"]
            if (!(caller instanceof Caller)) throw new Error("An MCP request came without its caller")
            return makeSdkServer(registry, caller)
          },
          { onerror: sdkReporter(context) }
        )
      ),
      (handler) => Effect.promise(() => handler.close())
    )

    const serve = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const refusal = refusalOf(request.headers, rules)
      if (refusal !== undefined) return yield* refuse(403, refusal)
      const principal = yield* authenticate(authentication, request.headers)
      const url = yield* Effect.fromOption(HttpServerRequest.toURL(request)).pipe(
        Effect.mapError(() => refuse(400, "The address is not valid"))
      )
      if (request.method !== "POST")
        return yield* refuse(405, "There are no sessions and streams here", { allow: "POST" })
      // Without a parsed body the SDK answers with its parse error.
      const body = yield* readBody(request, bodyLimit)
      if (isNestedDeeper(body, deepestNesting)) {
        return yield* refuse(400, `The body is nested deeper than ${deepestNesting} levels`)
      }
      const parsedBody = Result.getOrUndefined(parseJson(body))
      const caller = new Caller({
        principal: Effect.succeed(principal),
        requestId: Effect.succeed(yield* RequestId),
        context: yield* Effect.context<never>()
      })
      const response = yield* Effect.promise((signal) =>
        handler.fetch(new Request(url, { method: "POST", headers: request.headers, signal }), {
          parsedBody,
          // The SDK gets no credential, so it cannot pass one on.
          authInfo: { token: "", clientId: principal.apiKeyId, scopes: [...principal.scopes], extra: { caller } }
        })
      )
      return yield* fromWeb(response)
    })

    yield* router.add("*", "/mcp", (request) =>
      Effect.catchTag(serve(request), "@devops-mcp/mcp-server/McpRoutes/Refusal", ({ detail, headers, status }) =>
        Effect.succeed(
          HttpServerResponse.jsonUnsafe(
            { jsonrpc: "2.0", error: { code: -32000, message: detail } },
            { status, headers }
          )
        )
      )
    )
  })
)
