import { Authentication } from "@devops-mcp/core/access/Authentication"
import { credentialOf } from "@devops-mcp/core/access/Credential"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { Limits } from "@devops-mcp/core/limits/Limits"
import { RateLimited } from "@devops-mcp/core/limits/RateLimited"
import { allows } from "@devops-mcp/core/Policy"
import type { Principal, Scope } from "@devops-mcp/domain/Principal"
import { RequestClient } from "@devops-mcp/infrastructure/ClientAddress"
import { refusalHeaders } from "@devops-mcp/infrastructure/Limits"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import type { RequestId as MessageId } from "@modelcontextprotocol/server"
import { Effect, Option, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import { insufficientScope, unauthorized } from "../edge/Challenges.ts"
import { guardConfig, refusalOf } from "@devops-mcp/infrastructure/Guards"
import type { Registries } from "../edge/Registries.ts"
import type { RegisteredTool } from "../registry/RegisteredTool.ts"
import { viewOf } from "../registry/ToolViews.ts"
import { type View, wholeCatalogue } from "../registry/View.ts"
import type { NamedCall } from "./Body.ts"
import { makeMetadataUrl } from "./ProtectedResource.ts"
import { type Refusal, refuse } from "./Refusal.ts"

type Request = HttpServerRequest.HttpServerRequest

/** Until when clients wait that met a database which does not answer, in seconds. */
const later = { headers: { "retry-after": "1" } }

const isRateLimited = Schema.is(RateLimited)

/** The 429 of a caller who asks too much. */
export const refuseLimited = (error: RateLimited) => refuse(429, error.message, { headers: refusalHeaders(error) })

/** What most requests ask for, and then nobody needs to know which toolsets there are. */
const selectsAll = (path: string, headers: Request["headers"]) =>
  path === "/mcp" && headers["x-mcp-toolsets"] === undefined && headers["x-mcp-readonly"] === undefined

/** What a request must pass before its message is looked at, and a call before the protocol begins. */
export const makeGate = Effect.fnUntraced(function* ({ tools }: Registries["Service"]) {
  const authentication = yield* Authentication
  const audit = yield* Audit
  const limits = yield* Limits
  const rules = yield* guardConfig
  const metadataUrl = yield* makeMetadataUrl

  const refused = audit.refused({ reason: "credential" })

  /** Who sends the request; refused without a word about the reason when the credential is not good. */
  const authenticate = Effect.fnUntraced(function* (request: Request) {
    const refusal = refusalOf(request.headers, rules)
    if (refusal !== undefined) return yield* refuse(403, refusal)
    const credential = credentialOf(request.headers)
    if (Option.isNone(credential)) {
      return yield* refuse(401, "Send an API key or an access token as `Authorization: Bearer TOKEN`", {
        headers: unauthorized({ metadataUrl: metadataUrl(request) })
      })
    }
    const { network } = yield* RequestClient
    return yield* limits.login(network, credential.value, authentication.authenticate(credential.value)).pipe(
      Effect.catchIf(isRateLimited, (error) => Effect.fail(refuseLimited(error))),
      Effect.catchTag("@devops-mcp/domain/Errors/Unauthenticated", ({ detail }) =>
        Effect.andThen(
          refused,
          Effect.fail(
            refuse(401, detail, {
              headers: unauthorized({
                metadataUrl: metadataUrl(request),
                error: "invalid_token",
                description: detail
              })
            })
          )
        )
      ),
      Effect.catchIf(
        (error) => error._tag !== "@devops-mcp/mcp-server/http/Refusal",
        (error) =>
          Effect.andThen(
            Effect.logWarning("A caller could not be authenticated", error),
            Effect.fail(refuse(503, "The caller could not be authenticated now", later))
          )
      )
    )
  })

  /** One request of the caller; tells how many more there may be. */
  const limited = (principal: Principal) => Effect.mapError(limits.caller(principal), refuseLimited)

  /** Runs a request unless too many of its tenant run already; a stream counts until it has begun. */
  const running =
    (principal: Principal) =>
    <A, R>(handled: Effect.Effect<A, Refusal, R>) =>
      limits
        .running(principal)(handled)
        .pipe(Effect.catchIf(isRateLimited, (error) => Effect.fail(refuseLimited(error))))

  /** The part of the catalogue that the request's address and headers select. */
  const view = Effect.fnUntraced(function* (request: Request, principal: Principal) {
    const path = request.url.split("?", 1)[0] ?? ""
    if (selectsAll(path, request.headers)) return wholeCatalogue
    const known = yield* tools
      .toolsets(principal)
      .pipe(Effect.mapError(() => refuse(503, "The toolsets could not be read now", later)))
    return yield* Effect.fromResult(viewOf(path, request.headers, known)).pipe(
      Effect.mapError(({ message }) => refuse(404, message))
    )
  })

  /**
   * The tools that are called, as far as they exist. A permission that is missing is said here, as a challenge that
   * names all of them, so that clients can ask their user for more.
   */
  const permit = Effect.fnUntraced(function* (
    request: Request,
    principal: Principal,
    selected: View,
    calls: ReadonlyArray<NamedCall>,
    id: MessageId | null
  ) {
    const found: Array<RegisteredTool> = []
    const missing = new Set<Scope>()
    for (const call of calls) {
      const tool = yield* tools
        .find(principal, selected, call.name, call.arguments)
        .pipe(Effect.mapError(({ detail }) => refuse(503, detail, { ...later, id })))
      if (Option.isNone(tool)) continue
      const { definition, scope } = tool.value
      found.push(tool.value)
      if (allows(principal, scope)) continue
      missing.add(scope)
      const act = {
        principal,
        action: `mcp.${definition.name}`,
        outcome: "denied",
        changes: false,
        durationMs: 0
      } as const
      yield* audit.record({ ...act, requestId: yield* RequestId })
    }
    if (missing.size === 0) return found
    const scopes = [...missing]
    return yield* refuse(403, `Requires ${scopes.join(" and ")}, which your credential does not have`, {
      id,
      headers: insufficientScope({ metadataUrl: metadataUrl(request), scopes })
    })
  })

  return { authenticate, limited, running, view, permit }
})
