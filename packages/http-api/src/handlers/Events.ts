import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { makeEventStream } from "../events/EventStream.ts"
import { orProblem } from "../Problems.ts"

/** What happened in the delivery pipeline. */
export const EventsHandlers = HttpApiBuilder.group(
  Api,
  "events",
  Effect.fnUntraced(function* (handlers) {
    const events = yield* EventRepository
    const stream = yield* makeEventStream

    return handlers.handleAll({
      list: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(events.list(tenantId, pageRequest(query)))
      }),
      stream,
      get: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(events.get(tenantId, params.id))
      })
    })
  })
)
