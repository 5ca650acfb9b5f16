import { OAuthFailure } from "@devops-mcp/core/ports/OAuthClient"
import { makeBreaker } from "@devops-mcp/observability/Breakers"
import { oauthBreaker } from "@devops-mcp/resilience/Outages"
import { oauthRequestTimeout } from "@devops-mcp/resilience/Policies"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { ByteSize, type Cause, Clock, Duration, Effect, Option, Predicate, Result, Schema, Stream } from "effect"
import { Headers, HttpBody, type HttpClientError, HttpClientRequest } from "effect/http"
import { AddressRefused, guardedLookup, refusalOf } from "./OutboundAddresses.ts"

/** What an authorization server may answer with; metadata documents take some kilobytes. */
const largestAnswer = ByteSize.kibibytes(256)

type Operation = OAuthFailure["operation"]

/** A request as `oauth4webapi` makes it. */
interface Outgoing {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: URLSearchParams | null | undefined
}

const decodeObject = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.JsonObject))
const encodeObject = Schema.encodeSync(Schema.fromJsonString(Schema.JsonObject))

/**
 * An answer as the standards want it. GitHub says with a 200 what went wrong; and an ID token says who signed in, which
 * we do not ask.
 */
const standardised = (status: number, body: string): readonly [status: number, body: string] => {
  const answer = Option.getOrUndefined(decodeObject(body))
  if (answer === undefined) return [status, body]
  if (status === 200 && typeof answer["error"] === "string") return [400, body]
  const { id_token: _, ...rest } = answer
  return [status, encodeObject(rest)]
}

/**
 * Whether the server says that it cannot answer anybody, and not in OAuth's words what is wrong with the request. One that
 * has had too many requests may mean one client's.
 */
const isAway = (status: number, body: string) => {
  if (status < 500) return false
  const error = Option.getOrUndefined(decodeObject(body))?.["error"]
  return typeof error !== "string" || error === "server_error" || error === "temporarily_unavailable"
}

const hostOf = (url: string) => URL.parse(url)?.host ?? "the authorization server"

const failureOf =
  (operation: Operation, url: string) =>
  (error: HttpClientError.HttpClientError | Cause.TimeoutError | OAuthFailure): OAuthFailure => {
    if (error instanceof OAuthFailure) return error
    return error._tag === "HttpClientError" && error.reason.cause instanceof AddressRefused
      ? new OAuthFailure({ operation, reason: "forbidden", detail: `${hostOf(url)} is an address that is not called` })
      : new OAuthFailure({
          operation,
          reason: "unreachable",
          detail: `${hostOf(url)} does not answer; try again later`
        })
  }

/** Each of a server's endpoints has a circuit of its own: whoever names a broken one shuts no other's. */
const circuitOf = (url: string) => {
  const parsed = URL.parse(url)
  return parsed === null ? url : parsed.origin + parsed.pathname
}

const makeClient = (allowPrivate: boolean) =>
  Effect.provideServiceEffect(
    NodeHttpClient.makeNodeHttp,
    NodeHttpClient.HttpAgent,
    NodeHttpClient.makeAgent({ lookup: guardedLookup(allowPrivate) })
  )

/**
 * Sends the requests of `oauth4webapi`: only to allowed addresses, following no redirect, bounded in time and size. What
 * fails holds neither the request nor the answer, for both hold secrets.
 */
export const makeTransport = Effect.gen(function* () {
  const [strict, lax] = [yield* makeClient(false), yield* makeClient(true)]
  const breaker = yield* makeBreaker("oauth", oauthBreaker)

  return Effect.fnUntraced(function* (
    operation: Operation,
    allowPrivate: boolean,
    url: string,
    { body, headers, method }: Outgoing
  ) {
    const refusal = refusalOf(url, allowPrivate)
    if (refusal !== undefined) {
      return yield* new OAuthFailure({ operation, reason: "forbidden", detail: `${url} ${refusal}` })
    }
    const request = HttpClientRequest.make(method === "GET" ? "GET" : "POST")(url, {
      headers,
      body: Predicate.isNullish(body) ? HttpBody.empty : HttpBody.text(body.toString(), headers["content-type"])
    })
    const failed = failureOf(operation, url)
    const tooMuch = new OAuthFailure({ operation, reason: "invalid", detail: `${hostOf(url)} answers with too much` })
    const client = allowPrivate ? lax : strict
    const answered = Effect.gen(function* () {
      const response = yield* client.execute(request)
      const text = yield* response.stream.pipe(
        Stream.mapError(failed),
        Stream.limitBytes(largestAnswer, () => Stream.fail(tooMuch)),
        Stream.decodeText,
        Stream.mkString
      )
      if (isAway(response.status, text)) {
        const wait = Option.fromNullishOr(response.headers["retry-after"]).pipe(
          Option.flatMap((header) => Result.getSuccess(Headers.parseRetryAfter(header)))
        )
        const now = yield* Clock.currentTimeMillis
        return yield* new OAuthFailure({
          operation,
          reason: "unreachable",
          detail: `${hostOf(url)} answers with ${response.status}; try again later`,
          ...(Option.isNone(wait) ? {} : { retryAfter: Duration.toMillis(Headers.retryAfterDelay(wait.value, now)) })
        })
      }
      const [status, body] = standardised(response.status, text)
      const contentType = response.headers["content-type"] ?? "text/plain"
      return new Response(body === "" ? null : body, { status, headers: { "content-type": contentType } })
    })
    return yield* breaker.protect(
      answered.pipe(Effect.scoped, Effect.timeout(oauthRequestTimeout), Effect.mapError(failed)),
      {
        key: circuitOf(url),
        onOpen: ({ failure, retryAfter }) =>
          new OAuthFailure({
            operation,
            reason: "unreachable",
            detail: failure?.detail ?? `${hostOf(url)} has not answered lately; try again later`,
            retryAfter
          })
      }
    )
  })
})
