import { Api } from "@devops-mcp/contract/Api"
import { rpcPath } from "@devops-mcp/contract/EventsRpc"
import { MethodNotAllowed, NotFound } from "@devops-mcp/contract/Problems"
import { credentialOf } from "@devops-mcp/core/access/Credential"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { recordRefusal } from "@devops-mcp/core/audit/OnRecord"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Effect, Option } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { HttpApi } from "effect/http-api"
import { makeAuthenticate } from "./Authenticate.ts"

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const

/** The methods of every address of the HTTP API. */
const offered = () => {
  const byPath = new Map<string, ReadonlySet<string>>([
    ["/openapi.json", new Set(["GET"])],
    ["/docs", new Set(["GET"])],
    [rpcPath, new Set(["GET"])]
  ])
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      byPath.set(endpoint.path, new Set([...(byPath.get(endpoint.path) ?? []), endpoint.method]))
    }
  })
  return byPath
}

const refusal = (allow: string) =>
  Effect.gen(function* () {
    const problem = new MethodNotAllowed({
      code: "method-not-allowed",
      detail: `This address offers ${allow}`,
      requestId: yield* RequestId
    })
    return HttpServerResponse.setHeader(yield* HttpServerRespondable.toResponse(problem), "allow", allow)
  })

const nothing = Effect.flatMap(RequestId, (requestId) =>
  HttpServerRespondable.toResponse(
    new NotFound({ code: "not-found", detail: "There is nothing under this address", requestId })
  )
)

/**
 * Answers 405 with `Allow` where the API has the address but not the method, and 404 where it has nothing. Who sends a
 * credential is authenticated as everywhere, so that it is on record.
 */
export const UnservedRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const authenticate = yield* makeAuthenticate
    const audit = yield* Audit

    const onRecord = (answer: Effect.Effect<HttpServerResponse.HttpServerResponse>) =>
      Effect.gen(function* () {
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        if (Option.isNone(credentialOf(headers))) return yield* answer
        const { principal } = yield* authenticate
        const response = yield* answer
        yield* recordRefusal(audit, { principal, action: "refused.api" }, response.status)
        return response
      }).pipe(Effect.catch(HttpServerRespondable.toResponse))

    yield* router.add("*", "/api/*", onRecord(nothing))
    for (const [path, allowed] of offered()) {
      const allow = [...allowed, ...(allowed.has("GET") ? ["HEAD"] : [])].toSorted().join(", ")
      for (const method of methods) {
        // Paths of the contract always start with a slash.
        if (!allowed.has(method)) yield* router.add(method, path as `/${string}`, onRecord(refusal(allow)))
      }
    }
  })
)
