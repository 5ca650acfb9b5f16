import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { orProblem } from "../Problems.ts"

/** Text added to the knowledge. */
export const DocumentsHandlers = HttpApiBuilder.group(
  Api,
  "documents",
  Effect.fnUntraced(function* (handlers) {
    const knowledge = yield* Knowledge
    const documents = yield* DocumentRepository

    return handlers.handleAll({
      add: Effect.fnUntraced(function* ({ payload }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(knowledge.addDocument(tenantId, payload))
      }),
      list: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(documents.list(tenantId, pageRequest(query)))
      }),
      get: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(documents.get(tenantId, params.id))
      }),
      delete: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        yield* orProblem(knowledge.deleteDocument(tenantId, params.id))
      })
    })
  })
)
