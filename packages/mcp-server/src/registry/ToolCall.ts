import type { Principal } from "@devops-mcp/domain/Principal"
import type { Effect, Schema } from "effect"
import type { RawArguments } from "./RegisteredTool.ts"
import type { View } from "./View.ts"

export type LogLevel = "debug" | "info" | "notice" | "warning" | "error" | "critical" | "alert" | "emergency"

/** What a running call can do with its client, whatever the transport and the revision. */
export interface ClientPort {
  /** As the client declared them. */
  readonly capabilities: Schema.JsonObject
  /** Goes nowhere when the client did not ask for progress. */
  readonly progress: (progress: {
    readonly progress: number
    readonly total?: number
    readonly message?: string
  }) => Effect.Effect<void>
  /** Goes nowhere when the client did not ask for logs. */
  readonly log: (level: LogLevel, data: Schema.Json, logger?: string) => Effect.Effect<void>
  /** Answers to the questions of an earlier outcome `InputRequired`, by their keys; not checked against anything. */
  readonly responses: Readonly<Record<string, unknown>>
  /** The sealed state of that outcome as it came back; the registry opens it. */
  readonly sealedState: string | undefined
}

/** One `tools/call` as the registry takes it. */
export interface ToolCall {
  readonly principal: Principal
  readonly requestId: string
  readonly view: View
  readonly name: string
  readonly arguments: RawArguments
  readonly client: ClientPort
}

/** What a tool's own code gets: permission is checked, and `state` is what it gave with its last questions. */
export interface RunningCall extends ToolCall {
  readonly state: Schema.Json | undefined
  /** What an earlier refusal of a destructive action gave, when `tools_call` brought it back. */
  readonly confirmationToken: string | undefined
}
