import { longActionTimeout } from "@devops-mcp/resilience/Policies"
import { Effect, Schema } from "effect"
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
 * Runs an action of a tool as whoever started the task. A store that does not answer is a defect here, so the queue
 * tries the task again; what the tool itself refuses is a result.
 */
export const makeToolActionRunner = Effect.map(Tools, (tools): TaskRunner => ({
  kind: toolActionKind,
  run: Effect.fn("ToolActionRunner.run")(function* ({ input, principal }) {
    const asked = yield* Effect.orDie(decodeInput(input))
    const { isError, result } = yield* tools
      .execute(principal, asked.tool, asked.action, asked.arguments, undefined, longActionTimeout)
      .pipe(
        Effect.catchTag(["@devops-mcp/core/ports/StoreError", "@devops-mcp/core/ports/Cache/CacheError"], Effect.die),
        Effect.mapError(
          ({ _tag, message }) => new TaskFailed({ code: codes[_tag] ?? "invalid_arguments", detail: message })
        )
      )
    return { structured: result, isError }
  })
}))
