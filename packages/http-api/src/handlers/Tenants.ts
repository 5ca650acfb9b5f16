import { Api } from "@devops-mcp/contract/Api"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { makeNewId } from "@devops-mcp/core/NewId"
import { TenantRepository } from "@devops-mcp/core/ports/TenantRepository"
import { TenantId } from "@devops-mcp/domain/Ids"
import { DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { orProblem } from "../Problems.ts"

/** Teams whose data is kept apart. */
export const TenantsHandlers = HttpApiBuilder.group(
  Api,
  "tenants",
  Effect.fnUntraced(function* (handlers) {
    const tenants = yield* TenantRepository
    const newId = yield* makeNewId

    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ payload }) {
        const tenant = { id: yield* newId(TenantId), name: payload.name, createdAt: yield* DateTime.now }
        return yield* orProblem(tenants.create(tenant))
      }),
      list: ({ query }) => orProblem(tenants.list(pageRequest(query))),
      get: ({ params }) => orProblem(tenants.get(params.id))
    })
  })
)
