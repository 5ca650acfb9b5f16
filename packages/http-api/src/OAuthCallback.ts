import { Audit } from "@devops-mcp/core/audit/Audit"
import { type ConnectionRefused, Connections } from "@devops-mcp/core/connections/Connections"
import type { CacheError } from "@devops-mcp/core/ports/Cache"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { requestBodyTimeout } from "@devops-mcp/resilience/Policies"
import { ByteSize, Clock, Effect, Schema } from "effect"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { consentPage, notConnected, page } from "./OAuthPages.ts"
import { makePublicAddress } from "./PublicAddress.ts"

/** Where authorization servers send browsers back to; the redirect URI to register there is this under `PUBLIC_URL`. */
export const callbackPath = "/oauth/callback"

const State = Schema.String.check(Schema.isBetweenLength(1, 2000))

/** What there is when somebody has allowed a connection. */
const allowed = {
  state: State,
  code: Schema.String.check(Schema.isBetweenLength(1, 4000)),
  iss: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(2000)))
}

/** What an authorization server may put into the address. A parameter that comes twice is an array, and refused. */
const Answer = Schema.Union([Schema.Struct({ state: State, error: Schema.String }), Schema.Struct(allowed)])

/** What our own page sends. */
const Decision = Schema.Struct({ ...allowed, decision: Schema.Literals(["connect", "discard"]) })

/** More than a form with all of that. */
const largestForm = ByteSize.kibibytes(32)

type Page = Effect.Effect<HttpServerResponse.HttpServerResponse>

/** The page of whoever meets an error on the way. */
const orPage = (
  answered: Effect.Effect<HttpServerResponse.HttpServerResponse, ConnectionRefused | CacheError | StoreError>
): Page =>
  Effect.catchTags(answered, {
    "@devops-mcp/core/connections/Connections/ConnectionRefused": ({ detail }) =>
      Effect.succeed(notConnected(400, detail)),
    "@devops-mcp/core/ports/Cache/CacheError": (error) =>
      Effect.as(Effect.logWarning(error.message, error), notConnected(503, "Try again later.")),
    "@devops-mcp/core/ports/StoreError": (error) =>
      Effect.as(Effect.logWarning(error.message, error), notConnected(503, "Start the connection again."))
  })

/**
 * `/oauth/callback`: a browser comes back from an authorization server. It brings no credential; the state in the
 * address says who asked. Anybody can be sent here by a link that somebody else asked for, so GET changes nothing: its
 * page names who asked for what, and only the form on it makes the connection.
 */
export const OAuthCallbackRoute = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const connections = yield* Connections
    const audit = yield* Audit
    const { address } = yield* makePublicAddress

    const record = Effect.fnUntraced(function* (
      action: "connections.complete" | "connections.discard",
      principal: Principal,
      outcome: AuditOutcome,
      startedAt: number,
      target?: string
    ) {
      yield* audit.record({
        principal,
        action,
        ...(target === undefined ? {} : { target }),
        outcome,
        changes: outcome === "ok",
        requestId: yield* RequestId,
        durationMs: (yield* Clock.currentTimeMillis) - startedAt
      })
    })

    const ask = (answer: typeof Answer.Type): Page => {
      const pending = connections.pending(answer.state)
      return orPage(
        "error" in answer
          ? Effect.map(pending, ({ provider }) =>
              notConnected(400, `'${provider.name}' says that you did not allow it. Nothing was connected.`)
            )
          : Effect.map(pending, (found) => consentPage(found, answer))
      )
    }

    const decide = Effect.fnUntraced(function* ({ decision, ...answer }: typeof Decision.Type) {
      const startedAt = yield* Clock.currentTimeMillis
      if (decision === "discard") {
        const discarded = Effect.tap(connections.discard(answer.state), (principal) =>
          record("connections.discard", principal, "ok", startedAt)
        )
        const text = "Nothing was connected. You may also take back at the provider what you allowed there."
        return yield* orPage(Effect.as(discarded, notConnected(200, text)))
      }
      return yield* connections.complete(answer).pipe(
        Effect.tap(({ connection, principal }) =>
          record("connections.complete", principal, "ok", startedAt, connection.id)
        ),
        Effect.tapErrorTag("@devops-mcp/core/connections/Connections/ConnectionRefused", ({ principal }) =>
          principal === undefined ? Effect.void : record("connections.complete", principal, "failed", startedAt)
        ),
        Effect.map(({ connection: { provider, shared }, principal }) => {
          const user = `${shared ? "everybody in the tenant of " : ""}'${principal.name}'`
          return page(
            200,
            "Connected",
            `Your account of '${provider}' is connected for ${user}. You can close this window.`
          )
        }),
        orPage
      )
    })

    /** Only our own page may send the form. Browsers that do not tell its site yet tell its origin. */
    const isOurs = Effect.gen(function* () {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const site = headers["sec-fetch-site"]
      return site === undefined ? headers["origin"] === URL.parse(yield* address)?.origin : site === "same-origin"
    })

    const notOurs = notConnected(403, "This did not come from our own page. Open the link again.")

    yield* router.add(
      "GET",
      callbackPath,
      HttpServerRequest.schemaSearchParams(Answer).pipe(
        Effect.matchEffect({
          onSuccess: ask,
          onFailure: () => Effect.succeed(notConnected(400, "This is not an answer of an authorization server."))
        })
      )
    )

    yield* router.add(
      "POST",
      callbackPath,
      Effect.gen(function* () {
        if (!(yield* isOurs)) return notOurs
        return yield* HttpServerRequest.schemaBodyUrlParams(Decision).pipe(
          Effect.provideService(HttpIncomingMessage.MaxBodySize, largestForm),
          Effect.timeout(requestBodyTimeout),
          Effect.matchEffect({
            onSuccess: decide,
            onFailure: () => Effect.succeed(notConnected(400, "This is not the form of our own page."))
          })
        )
      })
    )
  })
)
