import { Api } from "@devops-mcp/contract/Api"
import { Caller } from "@devops-mcp/contract/Authorization"
import { pageRequest } from "@devops-mcp/contract/Lists"
import { AuditTrail } from "@devops-mcp/core/audit/AuditTrail"
import { Effect, Schema, Stream } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { orProblem } from "../Problems.ts"

const encodeLine = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** Who did what to what, in the caller's tenant. */
export const AuditHandlers = HttpApiBuilder.group(
  Api,
  "audit",
  Effect.fnUntraced(function* (handlers) {
    const trail = yield* AuditTrail

    return handlers.handleAll({
      list: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        return yield* orProblem(trail.list(tenantId, pageRequest(query)))
      }),
      verify: Effect.fnUntraced(function* () {
        const { tenantId } = yield* Caller
        return yield* orProblem(trail.verify(tenantId))
      }),
      export: Effect.fnUntraced(function* ({ query }) {
        const { tenantId } = yield* Caller
        return trail.export(tenantId, query).pipe(
          Stream.map((line) => `${encodeLine(line)}\n`),
          Stream.encodeText,
          // The answer has begun: a file without its trailer is all that can be said.
          Stream.tapError((error) => Effect.logWarning(error.message, error)),
          Stream.orDie
        )
      })
    })
  })
)
