import { Audit } from "@devops-mcp/core/audit/Audit"
import { Connections } from "@devops-mcp/core/connections/Connections"
import type { AuthorizationAnswer } from "@devops-mcp/core/ports/OAuthClient"
import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Clock, Effect, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"

/** Where authorization servers send browsers back to; the redirect URI to register there is this under `PUBLIC_URL`. */
export const callbackPath = "/oauth/callback"

/** What an authorization server may put into the address. A parameter that comes twice is an array, and refused. */
const Answer = Schema.Struct({
  state: Schema.String.check(Schema.isBetweenLength(1, 2000)),
  code: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 4000))),
  iss: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(2000))),
  error: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200)))
})

/** The page shows text and does nothing: no script, no form, no link, no frame. */
const contentSecurityPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? "")

const page = (status: number, title: string, text: string) =>
  HttpServerResponse.text(
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title><h1>${escaped(title)}</h1><p>${escaped(text)}</p></html>\n`,
    {
      status,
      contentType: "text/html; charset=utf-8",
      headers: {
        "content-security-policy": contentSecurityPolicy,
        "referrer-policy": "no-referrer",
        "cache-control": "no-store"
      }
    }
  )

const failed = (status: number, text: string) => page(status, "Not connected", text)

/**
 * `GET /oauth/callback`: a browser comes back from an authorization server. It brings no credential: the state in the
 * address says who asked, and the page names that caller, for whoever opened the link to notice if it was not they.
 */
export const OAuthCallbackRoute = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const connections = yield* Connections
    const audit = yield* Audit

    const record = Effect.fnUntraced(function* (
      principal: Principal,
      outcome: AuditOutcome,
      startedAt: number,
      target?: string
    ) {
      yield* audit.record({
        principal,
        action: "connections.complete",
        ...(target === undefined ? {} : { target }),
        outcome,
        changes: outcome === "ok",
        requestId: yield* RequestId,
        durationMs: (yield* Clock.currentTimeMillis) - startedAt
      })
    })

    const complete = Effect.fnUntraced(function* (answer: AuthorizationAnswer) {
      const startedAt = yield* Clock.currentTimeMillis
      return yield* connections.complete(answer).pipe(
        Effect.tap(({ connection, principal }) => record(principal, "ok", startedAt, connection.id)),
        Effect.map(({ connection, principal }) =>
          page(
            200,
            "Connected",
            `Your account of '${connection.provider}' is connected for ${connection.shared ? "everybody in the tenant of " : ""}'${principal.name}'. You can close this window.`
          )
        ),
        Effect.catchTags({
          "@devops-mcp/core/connections/Connections/ConnectionRefused": ({ detail, principal }) =>
            Effect.as(
              principal === undefined ? Effect.void : record(principal, "failed", startedAt),
              failed(400, detail)
            ),
          "@devops-mcp/core/ports/Cache/CacheError": (error) =>
            Effect.as(Effect.logWarning(error.message, error), failed(503, "Try again later.")),
          "@devops-mcp/core/ports/StoreError": (error) =>
            Effect.as(Effect.logWarning(error.message, error), failed(503, "Start the connection again."))
        })
      )
    })

    yield* router.add(
      "GET",
      callbackPath,
      HttpServerRequest.schemaSearchParams(Answer).pipe(
        Effect.matchEffect({
          onSuccess: complete,
          onFailure: () => Effect.succeed(failed(400, "This is not an answer of an authorization server."))
        })
      )
    )
  })
)
