import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { Tasks } from "@devops-mcp/core/tasks/Tasks"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { orProblem } from "../Problems.ts"

/** Long work; each caller sees its own only. */
export const TasksHandlers = HttpApiBuilder.group(
  Api,
  "tasks",
  Effect.fnUntraced(function* (handlers) {
    const tasks = yield* Tasks

    return handlers.handleAll({
      list: Effect.fnUntraced(function* ({ query }) {
        return yield* orProblem(tasks.list(yield* Caller, pageRequest(query)))
      }),
      get: Effect.fnUntraced(function* ({ params }) {
        return yield* orProblem(tasks.get(yield* Caller, params.id))
      }),
      cancel: Effect.fnUntraced(function* ({ params }) {
        return yield* orProblem(tasks.cancel(yield* Caller, params.id))
      })
    })
  })
)
