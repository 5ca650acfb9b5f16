import { allows } from "@devops-mcp/core/Policy"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { Context, Effect, Layer } from "effect"
import { type Completion, completionOf } from "./Completions.ts"
import { invalidParams, type ProtocolFailure } from "./ProtocolFailure.ts"
import { MorePrompts, type Prompt, type PromptDefinition, type PromptOutcome } from "./Prompts.ts"
import { makeReviewPullRequest } from "./prompts/ReviewPullRequest.ts"
import { makeSummarizeChanges } from "./prompts/SummarizeChanges.ts"
import { makeTriageIncident } from "./prompts/TriageIncident.ts"
import { makeRecorded, orUnavailable } from "./Recorded.ts"

/** Characters of one argument, so that a prompt's own words always fit beside it. */
const longestArgument = 4_000

type Arguments = Readonly<Record<string, string>>

const check = Effect.fnUntraced(function* ({ definition }: Prompt, arguments_: Arguments) {
  for (const { name, required } of definition.arguments) {
    const value = Object.hasOwn(arguments_, name) ? arguments_[name] : undefined
    if (required && (value === undefined || value.trim() === "")) {
      return yield* invalidParams(`The prompt ${definition.name} needs the argument '${name}'`)
    }
    if (value !== undefined && value.length > longestArgument) {
      return yield* invalidParams(`The argument '${name}' has more than ${longestArgument} characters`)
    }
  }
})

/**
 * All MCP prompts, whatever the transport. A caller is offered those whose material it may read; every use, also a
 * refused or failed one, leaves an audit row and a measurement, and none of its arguments.
 */
export class PromptRegistry extends Context.Service<
  PromptRegistry,
  {
    /** All on one page, so no cursor is ever ours. */
    readonly list: (
      principal: Principal,
      cursor?: string
    ) => Effect.Effect<{ readonly prompts: ReadonlyArray<PromptDefinition> }, ProtocolFailure>
    readonly get: (
      principal: Principal,
      name: string,
      arguments_: Arguments,
      responses: Readonly<Record<string, unknown>>
    ) => Effect.Effect<PromptOutcome, ProtocolFailure>
    readonly complete: (
      principal: Principal,
      name: string,
      argument: string,
      typed: string,
      known: Arguments
    ) => Effect.Effect<Completion, ProtocolFailure>
  }
>()("@devops-mcp/mcp-server/registry/PromptRegistry") {
  static readonly layer = Layer.effect(
    PromptRegistry,
    Effect.gen(function* () {
      const recorded = yield* makeRecorded
      const prompts = [
        yield* makeTriageIncident,
        yield* makeSummarizeChanges,
        yield* makeReviewPullRequest,
        ...(yield* MorePrompts)
      ]

      const unknown = invalidParams("There is no such prompt")

      const list = Effect.fn("PromptRegistry.list")(function* (principal: Principal, cursor?: string) {
        if (cursor !== undefined) return yield* invalidParams("The cursor is not one that prompts/list returned")
        return {
          prompts: prompts.filter(({ scope }) => allows(principal, scope)).map(({ definition }) => definition)
        }
      })

      const get = Effect.fn("PromptRegistry.get")(function* (
        principal: Principal,
        name: string,
        arguments_: Arguments,
        responses: Readonly<Record<string, unknown>>
      ) {
        const prompt = prompts.find(({ definition }) => definition.name === name)
        const isDenied = prompt !== undefined && !allows(principal, prompt.scope)
        return yield* recorded(
          {
            principal,
            requestId: yield* RequestId,
            method: "prompts/get",
            label: prompt?.definition.name ?? "unknown",
            target: prompt?.definition.name,
            isDenied
          },
          prompt === undefined || isDenied
            ? Effect.fail(unknown)
            : Effect.andThen(check(prompt, arguments_), prompt.get(principal, arguments_, responses))
        )
      })

      const complete = Effect.fn("PromptRegistry.complete")(function* (
        principal: Principal,
        name: string,
        argument: string,
        typed: string,
        known: Arguments
      ) {
        const prompt = prompts.find(({ definition }) => definition.name === name)
        if (prompt === undefined || !allows(principal, prompt.scope)) return yield* unknown
        if (!prompt.definition.arguments.some((declared) => declared.name === argument)) {
          return yield* invalidParams(`The prompt ${name} has no such argument`)
        }
        return completionOf(yield* orUnavailable(prompt.complete(principal, argument, typed, known)))
      })

      return PromptRegistry.of({ list, get, complete })
    })
  )
}
