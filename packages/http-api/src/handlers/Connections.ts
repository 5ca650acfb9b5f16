import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { Connections } from "@devops-mcp/core/connections/Connections"
import { OAuthProviders } from "@devops-mcp/core/connections/OAuthProviders"
import { ConnectionRepository } from "@devops-mcp/core/ports/ConnectionRepository"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { callbackPath } from "../OAuthCallback.ts"
import { orProblem } from "../Problems.ts"
import { makePublicAddress } from "../PublicAddress.ts"

/** Authorization servers of third-party tools. */
export const OAuthProvidersHandlers = HttpApiBuilder.group(
  Api,
  "oauthProviders",
  Effect.fnUntraced(function* (handlers) {
    const providers = yield* OAuthProviders
    const repository = yield* ConnectionRepository

    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ payload }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(providers.create(tenantId, payload))
      }),
      list: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(repository.listProviders(tenantId, pageRequest(query)))
      }),
      get: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return (yield* orProblem(repository.getProvider(tenantId, params.name))).provider
      }),
      delete: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        yield* orProblem(repository.deleteProvider(tenantId, params.name))
      })
    })
  })
)

/** A caller's own accounts of third-party tools, and the tenant's. */
export const ConnectionsHandlers = HttpApiBuilder.group(
  Api,
  "connections",
  Effect.fnUntraced(function* (handlers) {
    const connections = yield* Connections
    const repository = yield* ConnectionRepository
    const { address } = yield* makePublicAddress

    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ payload }) {
        const redirectUri = `${yield* address}${callbackPath}`
        return yield* orProblem(connections.start(yield* Caller, payload, redirectUri))
      }),
      list: Effect.fnUntraced(function* ({ query }) {
        return yield* orProblem(repository.list(yield* Caller, pageRequest(query)))
      }),
      delete: Effect.fnUntraced(function* ({ params }) {
        yield* orProblem(connections.disconnect(yield* Caller, params.id))
      })
    })
  })
)
