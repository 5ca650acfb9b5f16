import { InternalError, NotFound, UriTooLong } from "@devops-mcp/contract/Problems"
import { Limits } from "@devops-mcp/core/limits/Limits"
import { httpServerRequestDuration } from "@devops-mcp/observability/Metrics"
import { ClientAddress, RequestId } from "@devops-mcp/observability/RequestContext"
import { Cause, Clock, Effect, Exit, Metric, Option, type Scope, Tracer } from "effect"
import { SecureRandom } from "effect/crypto"
import {
  HttpMiddleware,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse,
  HttpTraceContext
} from "effect/http"
import { IncomingMessage } from "node:http"
import { TLSSocket } from "node:tls"
import { type Client, makeClientOf, RequestClient } from "./ClientAddress.ts"
import { refusedAddress } from "./Limits.ts"
import { corsOrigins, trustedProxies } from "./Settings.ts"

type App<E> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest | Scope.Scope>

const acceptableRequestId = /^[A-Za-z0-9._-]{1,100}$/

const knownMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

const isRouteNotFound = (cause: Cause.Cause<unknown>) =>
  Option.exists(
    Cause.findErrorOption(cause),
    (error) => HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound"
  )

/** Answers what no route has answered: an unknown address, or a defect, of which the caller learns nothing. */
const orProblem = <E>(app: App<E>): App<never> =>
  Effect.catchCause(
    app,
    Effect.fnUntraced(function* (cause) {
      const interrupts = cause.reasons.filter(Cause.isInterruptReason)
      if (interrupts.length === cause.reasons.length)
        return yield* Effect.failCause(Cause.fromReasons<never>(interrupts))
      const requestId = yield* RequestId
      if (isRouteNotFound(cause)) {
        return yield* HttpServerRespondable.toResponse(
          new NotFound({ code: "not-found", detail: "There is nothing under this address", requestId })
        )
      }
      const [response] = yield* HttpServerError.causeResponse(cause)
      if (response.status < 500) return response
      yield* Effect.logError("A request met a defect", cause)
      return yield* HttpServerRespondable.toResponse(new InternalError({ code: "internal-error", requestId }))
    })
  )

const durations = new Map<string, typeof httpServerRequestDuration>()

const durationOf = (labels: { readonly method: string; readonly route: string; readonly status: string }) => {
  const name = `${labels.method} ${labels.route} ${labels.status}`
  const known = durations.get(name)
  if (known !== undefined) return known
  const made = Metric.withAttributes(httpServerRequestDuration, labels)
  durations.set(name, made)
  return made
}

/** One measurement and one log line a request. The route is its pattern, so there are as many as there are routes. */
const observed = (app: App<never>): App<never> =>
  Effect.gen(function* () {
    const { method } = yield* HttpServerRequest.HttpServerRequest
    const startedAt = yield* Clock.currentTimeNanos
    return yield* Effect.onExit(app, (exit) =>
      Effect.gen(function* () {
        const seconds = Number((yield* Clock.currentTimeNanos) - startedAt) / 1e9
        // The router leaves the route in the request's own context.
        const matched = yield* Effect.serviceOption(HttpRouter.RouteContext)
        const status = Exit.isSuccess(exit) ? exit.value.status : 499
        const labels = {
          method: knownMethods.has(method) ? method : "other",
          route: Option.match(matched, { onNone: () => "unmatched", onSome: ({ route }) => route.path }),
          status: String(status)
        }
        yield* Metric.update(durationOf(labels), seconds)
        const line = status < 500 ? Effect.logDebug("HTTP request") : Effect.logInfo("HTTP request")
        yield* Effect.annotateLogs(line, { ...labels, durationMs: Math.round(seconds * 1e6) / 1e3 })
      })
    )
  })

/** Starts the request's span, child of the caller's `traceparent`, where the tracer has not done so. */
const traced = (app: App<never>): App<never> =>
  Effect.flatMap(Effect.serviceOption(Tracer.ParentSpan), (span) =>
    Option.isSome(span) ? app : HttpMiddleware.tracer(app)
  )

/** The longest address with its query that is looked at; all headers together may be twice as long. */
const longestUrl = 8 * 1024

/** Whoever watches over this program must see it even when it refuses everybody else. */
const unlimited: ReadonlySet<string> = new Set(["/livez", "/readyz", "/metrics"])

/** A year, as RFC 6797 has it; browsers heed it over TLS only. */
const strictTransport = { "strict-transport-security": "max-age=31536000" }

const withHeaders = (requestId: string, secure: boolean) =>
  Effect.fnUntraced(function* (response: HttpServerResponse.HttpServerResponse) {
    const span = yield* Effect.option(Effect.currentSpan)
    return HttpServerResponse.setHeaders(response, {
      "x-request-id": requestId,
      ...(Option.isSome(span) ? { traceparent: HttpTraceContext.toHeaders(span.value)["traceparent"] } : {}),
      "x-content-type-options": "nosniff",
      "referrer-policy": response.headers["referrer-policy"] ?? "no-referrer",
      "x-frame-options": "DENY",
      "cross-origin-resource-policy": "same-origin",
      ...(secure ? strictTransport : {}),
      "cache-control": response.headers["cache-control"] ?? "no-store",
      "content-security-policy":
        response.headers["content-security-policy"] ?? "default-src 'none'; frame-ancestors 'none'"
    })
  })

const crossOrigin = (origins: ReadonlyArray<string>) => {
  if (origins.length === 0) return (app: App<never>) => app
  const listed = new Set(origins)
  return HttpMiddleware.cors({
    // A predicate, because a list of one would be sent to every origin.
    allowedOrigins: (origin) => listed.has(origin),
    allowedMethods: ["GET", "HEAD", "POST", "PATCH", "DELETE"],
    exposedHeaders: [
      "ETag",
      "Retry-After",
      "RateLimit-Limit",
      "RateLimit-Remaining",
      "RateLimit-Reset",
      "X-Request-Id",
      "Idempotency-Replayed",
      "Mcp-Session-Id",
      "WWW-Authenticate"
    ],
    maxAge: 600
  })
}

const isEncrypted = ({ source }: HttpServerRequest.HttpServerRequest) =>
  source instanceof IncomingMessage && source.socket instanceof TLSSocket

/** Says once that a proxy stands before us that `TRUSTED_PROXIES` does not name: its clients have one limit. */
const makeProxyNotice = Effect.gen(function* () {
  const declared = (yield* trustedProxies).length > 0
  let told = false
  return ({ address, loopback }: Client) => {
    if (told || declared || loopback) return Effect.void
    told = true
    return Effect.logWarning(
      "A request has X-Forwarded-For; name its proxy in TRUSTED_PROXIES for limits per client"
    ).pipe(Effect.annotateLogs({ client: address }))
  }
})

/** Refuses what is too long, or one too many of its address, before anything looks at it. */
const makeAdmission = Effect.gen(function* () {
  const limits = yield* Limits
  return <E>(app: App<E>, { url }: HttpServerRequest.HttpServerRequest, { loopback, network }: Client): App<E> => {
    if (url.length > longestUrl) {
      return Effect.flatMap(RequestId, (requestId) =>
        HttpServerRespondable.toResponse(
          new UriTooLong({ code: "uri-too-long", detail: `At most ${longestUrl} characters`, requestId })
        )
      )
    }
    const path = url.split("?", 1)[0] ?? ""
    if (loopback || unlimited.has(path)) return app
    return Effect.matchEffect(limits.address(network), {
      onFailure: (error) => refusedAddress(error, path),
      onSuccess: () => app
    })
  }
})

/** What every request passes on its way in and out, whatever it asks for. */
export const makeEdge = Effect.gen(function* () {
  const random = yield* SecureRandom.SecureRandom
  const cors = crossOrigin(yield* corsOrigins)
  const clientOf = yield* makeClientOf
  const notice = yield* makeProxyNotice
  const admitted = yield* makeAdmission

  return <E>(app: App<E>): App<never> =>
    traced(
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const { headers } = request
        const given = headers["x-request-id"]
        const requestId = given !== undefined && acceptableRequestId.test(given) ? given : yield* random.uuidV7()
        const encrypted = isEncrypted(request)
        const client = clientOf({ peer: Option.getOrUndefined(request.remoteAddress), headers, encrypted })
        if (headers["x-forwarded-for"] !== undefined) yield* notice(client)
        const handled = observed(cors(orProblem(admitted(app, request, client)))).pipe(
          Effect.flatMap(withHeaders(requestId, client.secure)),
          Effect.provideService(RequestId, requestId),
          Effect.provideService(RequestClient, client),
          Effect.provideService(ClientAddress, client.address),
          Effect.annotateLogs({ requestId, client: client.address })
        )
        // The addresses that answers name are those that the client uses.
        return yield* client.secure && !encrypted
          ? Effect.provideService(handled, HttpServerRequest.HttpServerRequest, request.modify({ protocol: "https" }))
          : handled
      })
    )
})
