import type { AuditOutcome } from "@devops-mcp/domain/Audit"
import { longActionTimeout } from "@devops-mcp/resilience/Policies"
import { Clock, Effect, Schema } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Tools } from "../tools/Tools.ts"
import { TaskFailed, type TaskRunner } from "./TaskRunner.ts"

/** The kind of a task that is one action of a configured tool. */
export const toolActionKind = "tool_action"

/** What such a task is started with. */
export const ToolActionInput = Schema.Struct({
  tool: Schema.String,
  action: Schema.String,
  arguments: Schema.JsonObject
})

const decodeInput = Schema.decodeUnknownEffect(ToolActionInput)

const codes: Readonly<Record<string, string>> = {
  "@devops-mcp/domain/Errors/NotFound": "not_found",
  "@devops-mcp/domain/Errors/Forbidden": "forbidden",
  "@devops-mcp/core/access/Confirmations/ConfirmationRequired": "confirmation_required"
}

/**
 * Runs an action of a tool as whoever started the task, and puts every run that comes to its end on record, with the
 * task's id in place of a request's. A store that does not answer is a defect here, so the queue tries the task again;
 * what the tool itself refuses is a result.
 */
export const makeToolActionRunner = Effect.gen(function* () {
  const tools = yield* Tools
  const audit = yield* Audit

  const runner: TaskRunner = {
    kind: toolActionKind,
    run: Effect.fn("ToolActionRunner.run")(function* ({ id, input, principal }) {
      const asked = yield* Effect.orDie(decodeInput(input))
      const startedAt = yield* Clock.currentTimeMillis

      const record = Effect.fnUntraced(function* (outcome: AuditOutcome) {
        const durationMs = (yield* Clock.currentTimeMillis) - startedAt
        const action = `mcp.${asked.tool}_${asked.action}`
        // Whatever the action is, it was worth a task, and nobody waits for this row.
        const changes = outcome !== "denied"
        yield* audit.record({ principal, action, outcome, changes, requestId: id, durationMs })
      })

      const { isError, result } = yield* tools
        .execute(principal, asked.tool, asked.action, asked.arguments, undefined, longActionTimeout)
        .pipe(
          Effect.catchTag(["@devops-mcp/core/ports/StoreError", "@devops-mcp/core/ports/Cache/CacheError"], Effect.die),
          Effect.mapError(
            ({ _tag, message }) => new TaskFailed({ code: codes[_tag] ?? "invalid_arguments", detail: message })
          ),
          Effect.tapError(({ code }) => record(code === "forbidden" ? "denied" : "failed"))
        )
      yield* record(isError ? "failed" : "ok")
      return { structured: result, isError }
    })
  }
  return runner
})
