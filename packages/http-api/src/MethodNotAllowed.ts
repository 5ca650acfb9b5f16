import { Api } from "@devops-mcp/contract/Api"
import { rpcPath } from "@devops-mcp/contract/EventsRpc"
import { MethodNotAllowed } from "@devops-mcp/contract/Problems"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Effect } from "effect"
import { HttpRouter, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { HttpApi } from "effect/http-api"

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

/** Answers 405 with `Allow` where the API has the address but not the method. */
export const MethodNotAllowedRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    for (const [path, allowed] of offered()) {
      const allow = [...allowed, ...(allowed.has("GET") ? ["HEAD"] : [])].toSorted().join(", ")
      for (const method of methods) {
        // Paths of the contract always start with a slash.
        if (!allowed.has(method)) yield* router.add(method, path as `/${string}`, refusal(allow))
      }
    }
  })
)
