import type { ToolAction } from "@devops-mcp/domain/Tool"
import { Context, Schema, type Effect, type Redacted } from "effect"

/** The tool refused or failed; the message is for the agent and says what to do differently. */
export class ToolFailure extends Schema.TaggedError<ToolFailure>()("@devops-mcp/core/ports/ToolAdapter/ToolFailure", {
  code: Schema.Literals(["invalid_arguments", "not_found", "unavailable", "timeout", "failed"]),
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  override get message() {
    return this.detail
  }
}

/** What an instance shows its tool; it fits the adapter's `credentialsSchema`. */
export type ToolCredentials = Redacted.Redacted<Schema.JsonObject>

/**
 * One action with the code behind it. `run` has already-decoded JSON in and gives plain JSON that fits `outputSchema`.
 * It gets the instance's credentials for the tool and is told neither who calls nor how they showed us who they are, so
 * that nothing of that can go on to the tool.
 */
export interface AdapterAction extends ToolAction {
  /** May take longer than a call can wait: clients that can are given a task. */
  readonly longRunning?: true
  readonly run: (
    config: Schema.JsonObject,
    input: Schema.JsonObject,
    credentials?: ToolCredentials
  ) => Effect.Effect<Schema.JsonObject, ToolFailure>
}

/**
 * Bridges to one kind of tool. `checkConfig` is asked before an instance is stored. An action validates its own input,
 * bounds its own output and time, and never changes anything when its risk is `read`.
 */
export interface ToolAdapter {
  readonly kind: string
  readonly title: string
  /** JSON Schema of an instance's config. */
  readonly configSchema: typeof ToolAction.fields.inputSchema.Type
  /** JSON Schema of an instance's credentials; an adapter without one takes none. What fits is not judged further. */
  readonly credentialsSchema?: typeof ToolAction.fields.inputSchema.Type
  readonly checkConfig: (config: Schema.JsonObject) => Effect.Effect<void, ToolFailure>
  readonly actions: ReadonlyArray<AdapterAction>
  /** Whether an instance can work now; the failure says why not. */
  readonly health: (config: Schema.JsonObject, credentials?: ToolCredentials) => Effect.Effect<void, ToolFailure>
}

/** All adapters of this deployment, by kind. */
export class ToolAdapters extends Context.Service<ToolAdapters, ReadonlyMap<string, ToolAdapter>>()(
  "@devops-mcp/core/ports/ToolAdapter/ToolAdapters"
) {}
