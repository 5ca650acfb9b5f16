import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import type { AgentContext } from "@devops-mcp/domain/AgentContext"
import { Effect } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { entityTag, ifMatch } from "../EntityTag.ts"
import { orProblem } from "../Problems.ts"

const withETag = (context: AgentContext) =>
  HttpApiSchema.withHeaders({ body: context, headers: { etag: entityTag(context.version) } })

/** What agents work in. */
export const ContextsHandlers = HttpApiBuilder.group(
  Api,
  "contexts",
  Effect.fnUntraced(function* (handlers) {
    const contexts = yield* AgentContexts
    const repository = yield* ContextRepository

    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ payload }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(contexts.create(tenantId, payload))
      }),
      list: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(repository.list(tenantId, pageRequest(query)))
      }),
      get: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return withETag(yield* orProblem(repository.get(tenantId, params.id)))
      }),
      update: Effect.fnUntraced(function* ({ headers, params, payload }) {
        const { tenantId } = yield* Caller
        const version = yield* ifMatch(headers["if-match"])
        return withETag(yield* orProblem(contexts.update(tenantId, params.id, payload, version)))
      }),
      delete: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        yield* orProblem(contexts.delete(tenantId, params.id))
      }),
      append: Effect.fnUntraced(function* ({ params, payload }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(contexts.append(tenantId, params.id, payload))
      }),
      items: Effect.fnUntraced(function* ({ params, query: { digest, ...query } }) {
        const { tenantId } = yield* Caller
        const page = { ...pageRequest(query), ...(digest === undefined ? {} : { removedBy: digest }) }
        return yield* orProblem(repository.listItems(tenantId, params.id, page))
      }),
      window: Effect.fnUntraced(function* ({ params, query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(contexts.window(tenantId, params.id, query))
      }),
      compact: Effect.fnUntraced(function* ({ params, payload }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(contexts.compact(tenantId, params.id, payload))
      }),
      search: Effect.fnUntraced(function* ({ params, payload }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(contexts.search(tenantId, params.id, payload))
      })
    })
  })
)
