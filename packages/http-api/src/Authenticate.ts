import { Authentication } from "@devops-mcp/core/access/Authentication"
import { credentialOf } from "@devops-mcp/core/access/Credential"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { Limits } from "@devops-mcp/core/limits/Limits"
import { RequestClient } from "@devops-mcp/infrastructure/ClientAddress"
import { showAllowance } from "@devops-mcp/infrastructure/Limits"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Effect, Option } from "effect"
import { HttpServerRequest } from "effect/http"
import { orProblem, unauthorized } from "./Problems.ts"

/** Who sends the request being handled, if it is within their limits. */
export const makeAuthenticate = Effect.gen(function* () {
  const authentication = yield* Authentication
  const audit = yield* Audit
  const limits = yield* Limits

  const refused = Effect.flatMap(RequestId, (requestId) => audit.refused({ reason: "credential", requestId }))

  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const credential = credentialOf(request.headers)
    if (Option.isNone(credential)) {
      return yield* yield* unauthorized("Send an API key as Authorization: Bearer, or as X-API-Key")
    }
    const known = authentication
      .authenticate(credential.value)
      .pipe(Effect.tapErrorTag("@devops-mcp/domain/Errors/Unauthenticated", () => refused))
    const { network } = yield* RequestClient
    const principal = yield* orProblem(limits.login(network, credential.value, known))
    yield* showAllowance(yield* orProblem(limits.caller(principal)))
    return { principal, credential: credential.value }
  })
})
