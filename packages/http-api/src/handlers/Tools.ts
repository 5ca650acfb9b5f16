import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { ToolRepository } from "@devops-mcp/core/ports/ToolRepository"
import { Tools } from "@devops-mcp/core/tools/Tools"
import type { Tool } from "@devops-mcp/domain/Tool"
import { Effect, Struct } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { entityTag, ifMatch } from "../EntityTag.ts"
import { orProblem } from "../Problems.ts"

const withETag = (tool: Tool) => HttpApiSchema.withHeaders({ body: tool, headers: { etag: entityTag(tool.version) } })

/** Configured tools and their actions. */
export const ToolsHandlers = HttpApiBuilder.group(
  Api,
  "tools",
  Effect.fnUntraced(function* (handlers) {
    const tools = yield* Tools
    const repository = yield* ToolRepository

    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ payload }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(tools.create(tenantId, payload))
      }),
      list: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(repository.list(tenantId, pageRequest(query)))
      }),
      get: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return withETag(yield* orProblem(repository.get(tenantId, params.name)))
      }),
      update: Effect.fnUntraced(function* ({ headers, params, payload }) {
        const { tenantId } = yield* Caller
        const version = yield* ifMatch(headers["if-match"])
        return withETag(yield* orProblem(tools.update(tenantId, params.name, payload, version)))
      }),
      delete: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        yield* orProblem(tools.delete(tenantId, params.name))
      }),
      actions: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        const actions = yield* orProblem(tools.actions(tenantId, params.name))
        return { items: actions.map(Struct.omit(["run"])) }
      }),
      health: Effect.fnUntraced(function* ({ params }) {
        const { tenantId } = yield* Caller
        return yield* tools.health(tenantId, params.name).pipe(
          Effect.as({ status: "ok" as const }),
          Effect.catchTag("@devops-mcp/core/ports/ToolAdapter/ToolFailure", ({ detail }) =>
            Effect.succeed({ status: "failing" as const, detail })
          ),
          orProblem
        )
      }),
      execute: Effect.fnUntraced(function* ({ params, payload }) {
        const principal = yield* Caller
        const { arguments: input = {}, confirmationToken } = payload
        return yield* orProblem(tools.execute(principal, params.name, params.action, input, confirmationToken))
      })
    })
  })
)
