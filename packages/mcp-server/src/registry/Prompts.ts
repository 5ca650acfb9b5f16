import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { Principal, Scope } from "@devops-mcp/domain/Principal"
import { Context, type Effect } from "effect"
import type { ProtocolFailure } from "./ProtocolFailure.ts"
import type { ContentBlock, InputRequest } from "./RegisteredTool.ts"

/** A prompt as `prompts/list` shows it. */
export interface PromptDefinition {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly arguments: ReadonlyArray<{
    readonly name: string
    readonly title?: string
    readonly description: string
    readonly required: boolean
  }>
}

export interface PromptMessage {
  readonly role: "user" | "assistant"
  readonly content: ContentBlock
}

/** Messages for the model, or questions that must be answered first. */
export type PromptOutcome =
  | { readonly _tag: "Messages"; readonly description: string; readonly messages: ReadonlyArray<PromptMessage> }
  | { readonly _tag: "InputRequired"; readonly requests: Readonly<Record<string, InputRequest>> }

export interface Prompt {
  readonly definition: PromptDefinition
  readonly scope: Scope
  /** Asked only when the caller has the scope and every required argument is there, none of them very long. */
  readonly get: (
    principal: Principal,
    arguments_: Readonly<Record<string, string>>,
    responses: Readonly<Record<string, unknown>>
  ) => Effect.Effect<PromptOutcome, StoreError | ProtocolFailure>
  /** Values for an argument that go with what is typed, given the arguments so far; more than 100 are not shown. */
  readonly complete: (
    principal: Principal,
    argument: string,
    typed: string,
    known: Readonly<Record<string, string>>
  ) => Effect.Effect<ReadonlyArray<string>, StoreError>
}

/** Prompts beside our own; tests of the protocol add theirs here. */
export const MorePrompts = Context.Reference<ReadonlyArray<Prompt>>(
  "@devops-mcp/mcp-server/registry/Prompts/MorePrompts",
  { defaultValue: () => [] }
)
