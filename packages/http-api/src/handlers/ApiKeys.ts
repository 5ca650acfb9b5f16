import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { ApiKeys } from "@devops-mcp/core/access/ApiKeys"
import { ApiKeyRepository } from "@devops-mcp/core/ports/ApiKeyRepository"
import { Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { orProblem } from "../Problems.ts"

/** Credentials of a tenant. */
export const ApiKeysHandlers = HttpApiBuilder.group(
  Api,
  "apiKeys",
  Effect.fnUntraced(function* (handlers) {
    const keys = yield* ApiKeys
    const repository = yield* ApiKeyRepository

    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ payload }) {
        const { key, secret } = yield* orProblem(keys.create(yield* Caller, payload))
        return { ...key, key: Redacted.value(secret) }
      }),
      list: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(repository.list(tenantId, pageRequest(query)))
      }),
      get: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(repository.get(tenantId, params.id))
      }),
      revoke: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        yield* orProblem(keys.revoke(tenantId, params.id))
      })
    })
  })
)
