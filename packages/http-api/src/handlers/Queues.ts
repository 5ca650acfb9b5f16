import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { orProblem } from "../Problems.ts"

/** Work that waits, and jobs that were given up. */
export const QueuesHandlers = HttpApiBuilder.group(
  Api,
  "queues",
  Effect.fnUntraced(function* (handlers) {
    const letters = yield* DeadLetters

    return handlers.handleAll({
      list: Effect.fnUntraced(function* () {
        const { tenantId } = yield* Caller
        return { items: yield* orProblem(letters.queues(tenantId)), nextCursor: null }
      }),
      deadLetters: Effect.fnUntraced(function* ({ params, query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(letters.list(tenantId, params.name, pageRequest(query)))
      }),
      deadLetter: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(letters.get(tenantId, params.name, params.id))
      }),
      redrive: Effect.fnUntraced(function* ({ params, payload }) {
        const { tenantId } = yield* Caller
        return { redriven: yield* orProblem(letters.redrive(tenantId, params.name, payload?.ids)) }
      }),
      discard: Effect.fnUntraced(function* ({ params, payload: { ids, reason } }) {
        const { tenantId } = yield* Caller
        return { discarded: yield* orProblem(letters.discard(tenantId, params.name, reason, ids)) }
      })
    })
  })
)
