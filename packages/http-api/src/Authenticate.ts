import { Authentication } from "@devops-mcp/core/access/Authentication"
import { credentialOf } from "@devops-mcp/core/access/Credential"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { Limits } from "@devops-mcp/core/limits/Limits"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestClient } from "@devops-mcp/infrastructure/ClientAddress"
import { showAllowance } from "@devops-mcp/infrastructure/Limits"
import { Effect, Option, type Redacted } from "effect"
import { HttpServerRequest } from "effect/http"
import { orProblem, unauthorized } from "./Problems.ts"

const withoutCredential = Effect.flatMap(
  unauthorized("Send an API key as Authorization: Bearer, or as X-API-Key"),
  Effect.fail
)

/** Who sends the request being handled, if it is within their limits. Every request comes through here. */
export const makeAuthenticate = Effect.gen(function* () {
  const authentication = yield* Authentication
  const audit = yield* Audit
  const limits = yield* Limits

  const refused = audit.refused({ reason: "credential" })

  const identify = (credential: Redacted.Redacted) => {
    const known = Effect.tapErrorTag(
      authentication.authenticate(credential),
      "@devops-mcp/domain/Errors/Unauthenticated",
      () => refused
    )
    return Effect.flatMap(RequestClient, ({ network }) => limits.login(network, credential, known))
  }

  const admit = (principal: Principal, credential: Redacted.Redacted) =>
    Effect.flatMap(limits.caller(principal), (allowance) =>
      Effect.as(showAllowance(allowance), { principal, credential })
    )

  return Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => {
    const credential = credentialOf(headers)
    return Option.isNone(credential)
      ? withoutCredential
      : orProblem(Effect.flatMap(identify(credential.value), (principal) => admit(principal, credential.value)))
  })
})
