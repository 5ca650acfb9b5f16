import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { Principal } from "@devops-mcp/domain/Principal"
import { Context, type Effect } from "effect"
import type { CallFailure } from "./Failures.ts"
import type { RegisteredTool, ToolOutcome } from "./RegisteredTool.ts"
import type { RunningCall } from "./ToolCall.ts"

/** A tool with the code behind it. `run` is asked only when the caller may use the tool. */
export interface RunnableTool {
  readonly tool: RegisteredTool
  readonly run: (call: RunningCall) => Effect.Effect<ToolOutcome, CallFailure>
}

/** Where tools come from: our own, the configured tools' actions, fixtures. Names are unique in a source. */
export interface ToolSource {
  /** Every tool of the caller's tenant, permitted or not, in a stable order. */
  readonly tools: (principal: Principal) => Effect.Effect<ReadonlyMap<string, RunnableTool>, StoreError>
}

/** Sources beside our own; tests of the protocol add theirs here. The first source that has a name wins. */
export const MoreToolSources = Context.Reference<ReadonlyArray<ToolSource>>(
  "@devops-mcp/mcp-server/registry/ToolSource/MoreToolSources",
  { defaultValue: () => [] }
)
