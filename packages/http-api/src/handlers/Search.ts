import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { orProblem } from "../Problems.ts"

/** Finds things by meaning and by words. */
export const SearchHandlers = HttpApiBuilder.group(
  Api,
  "search",
  Effect.fnUntraced(function* (handlers) {
    const knowledge = yield* Knowledge

    return handlers.handleAll({
      search: Effect.fnUntraced(function* ({ payload }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(knowledge.search(tenantId, payload))
      })
    })
  })
)
