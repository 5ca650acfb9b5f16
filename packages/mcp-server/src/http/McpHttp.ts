import { credentialOf } from "@devops-mcp/core/access/Credential"
import { refusalOnRecord } from "@devops-mcp/core/audit/OnRecord"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Draining } from "@devops-mcp/infrastructure/Draining"
import { showAllowance } from "@devops-mcp/infrastructure/Limits"
import { maxBodyBytes } from "@devops-mcp/infrastructure/Settings"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { classifyInboundRequest, type InboundModernRoute } from "@modelcontextprotocol/server"
import { Effect, Option, type Scope, Stream } from "effect"
import { HttpBody, HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { Caller, callerOf } from "../edge/Caller.ts"
import { messageOnRecord } from "../edge/RecordedTransport.ts"
import { Registries } from "../edge/Registries.ts"
import { makeSdkServer, modernRevision } from "../edge/SdkServer.ts"
import { idOf, readMessage, toolCallsOf } from "./Body.ts"
import { makeGate } from "./Gate.ts"
import { makeLegacyHttp } from "./legacy/LegacyHttp.ts"
import { makeListen } from "./Listen.ts"
import { makeModernHttp } from "./ModernHttp.ts"
import { type Refusal, refuse, refusalResponse } from "./Refusal.ts"
import { type Mismatch, paramMismatch, standardMismatch } from "./StandardHeaders.ts"
import type { RegisteredTool } from "../registry/RegisteredTool.ts"

/** Where MCP is served; what follows `/mcp` selects a part of the catalogue. */
const paths = ["/mcp", "/mcp/readonly", "/mcp/x/:toolsets", "/mcp/x/:toolsets/readonly"] as const

/** MCP's codes for headers that do not say what the body says, and for a revision that is not served. */
const headerMismatch = -32020
const unsupportedVersion = -32022

const mismatched = ({ body, header }: Mismatch, id: InboundModernRoute["message"]) =>
  refuse(400, `Bad Request: the request headers and body disagree: ${body}`, {
    code: headerMismatch,
    data: { mismatch: { header, body } },
    id: idOf(id)
  })

type Served = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  Refusal,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** What a request since 2026-07-28 must say of itself before it is handled. */
const checkModern = Effect.fnUntraced(function* (
  { headers }: HttpServerRequest.HttpServerRequest,
  { classification, message, messageKind }: InboundModernRoute,
  called: ReadonlyArray<RegisteredTool>
) {
  const requested = classification.revision
  if (requested !== modernRevision) {
    return yield* refuse(400, `Unsupported protocol version: ${requested ?? "unknown"}`, {
      code: unsupportedVersion,
      data: { supported: [modernRevision], requested: requested ?? "unknown" },
      id: idOf(message)
    })
  }
  if (messageKind === "notification") return
  const standard = standardMismatch(headers, message.method, message.params)
  if (standard !== undefined) return yield* mismatched(standard, message)
  const [call] = toolCallsOf(message)
  for (const tool of called) {
    const mismatch = paramMismatch(headers, tool.headers, call?.arguments ?? {})
    if (mismatch !== undefined) return yield* mismatched(mismatch, message)
  }
})

/**
 * `/mcp`: Streamable HTTP of every revision on one address. Checks come in the order host and origin, credential,
 * limits, toolset, size, form, permission; only then does a message reach the protocol.
 */
export const McpHttp = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const registries = yield* Registries
    const gate = yield* makeGate(registries)
    const bodyLimit = yield* maxBodyBytes
    const { begun } = yield* Draining
    const modern = yield* makeModernHttp(registries)
    const listen = makeListen(registries, begun)
    const legacy = yield* makeLegacyHttp((recorded) =>
      makeSdkServer({ registries, recorded, callerOf, era: "negotiated" })
    )

    const serveModern = Effect.fnUntraced(function* (
      { classification, message, messageKind }: InboundModernRoute,
      principal: Principal,
      caller: Caller
    ) {
      if (messageKind === "notification") {
        modern.tell(message, classification, caller)
        return HttpServerResponse.empty({ status: 202 })
      }
      if (message.method !== "subscriptions/listen") return yield* modern.request(message, classification, caller)
      const response = yield* listen(message, principal)
      const outcome = response.body._tag === "Stream" ? "ok" : "failed"
      yield* messageOnRecord(registries.audit, caller, message.method, outcome)
      return response
    })

    const handle = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, principal: Principal) {
      const view = yield* gate.view(request, principal)
      const caller = new Caller({
        admitted: principal,
        principal: Effect.succeed(principal),
        requestId: Effect.succeed(yield* RequestId),
        context: yield* Effect.context<never>(),
        view,
        subscriptions: undefined
      })
      const { headers, method } = request
      const version = headers["mcp-protocol-version"]
      if (method !== "POST") {
        // Streams and sessions of their own ended with 2025-11-25.
        if ((method !== "GET" && method !== "DELETE") || version?.trim() === modernRevision) {
          return yield* refuse(405, "Method not allowed", { headers: { allow: "POST" } })
        }
        return yield* legacy.handle({ method, headers, body: undefined, principal, caller })
      }
      const body = yield* readMessage(request, bodyLimit)
      const route = classifyInboundRequest({
        httpMethod: method,
        body,
        ...(version === undefined ? {} : { protocolVersionHeader: version }),
        ...(headers["mcp-method"] === undefined ? {} : { mcpMethodHeader: headers["mcp-method"] }),
        ...(headers["mcp-name"] === undefined ? {} : { mcpNameHeader: headers["mcp-name"] })
      })
      if (route.kind === "reject") {
        const { code, data, httpStatus, message } = route
        return yield* refuse(httpStatus, message, { code, data, id: idOf(body) })
      }
      const called = yield* gate.permit(request, principal, view, toolCallsOf(body), idOf(body))
      if (route.kind === "legacy") return yield* legacy.handle({ method, headers, body, principal, caller })
      yield* checkModern(request, route, called)
      return yield* serveModern(route, principal, caller)
    })

    /** A stream ends with the key of who reads it, wherever that is revoked. */
    const whileAllowed = (principal: Principal, response: HttpServerResponse.HttpServerResponse) => {
      const { body } = response
      if (body._tag !== "Stream") return response
      const revoked = registries.revocations.ofCaller(principal)
      return HttpServerResponse.setBody(
        response,
        HttpBody.stream(Stream.interruptWhen(body.stream, revoked), body.contentType, body.contentLength)
      )
    }

    const serve = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const principal = yield* gate.authenticate(request)
      const answered = Effect.andThen(
        Effect.flatMap(gate.limited(principal), showAllowance),
        gate.running(principal)(handle(request, principal))
      )
      const refused = { principal, action: "refused.mcp" } as const
      return whileAllowed(principal, yield* refusalOnRecord(registries.audit, refused)(answered))
    })

    /** Of a stranger it is nothing that an act could be. */
    const unserved = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const nothing = refuse(404, "There is nothing under this address")
      if (Option.isNone(credentialOf(request.headers))) return yield* nothing
      const principal = yield* gate.authenticate(request)
      return yield* refusalOnRecord(registries.audit, { principal, action: "refused.mcp" })(
        Effect.andThen(gate.limited(principal), Effect.fail(nothing))
      )
    })

    const add = (path: `/${string}`, serve: (request: HttpServerRequest.HttpServerRequest) => Served) =>
      router.add("*", path, (request) =>
        Effect.catchTag(serve(request), "@devops-mcp/mcp-server/http/Refusal", (refusal) =>
          Effect.succeed(refusalResponse(refusal))
        )
      )
    for (const path of paths) yield* add(path, serve)
    yield* add("/mcp/:address/*", unserved)
  })
)
