import { pageRequest } from "@devops-mcp/contract/Lists"
import * as McpTools from "@devops-mcp/contract/McpTools"
import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { DeadLetters } from "@devops-mcp/core/jobs/DeadLetters"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import type { Principal } from "@devops-mcp/domain/Principal"
import { toolCallTimeout } from "@devops-mcp/resilience/Policies"
import { Effect, Schema } from "effect"
import type { CallFailure } from "./Failures.ts"
import { inputSchemaOf, outputSchemaOf } from "./JsonSchemas.ts"
import { argumentsOf, type RegisteredTool } from "./RegisteredTool.ts"
import { makeResultLimit, type ResultLimit } from "./ResultLimit.ts"
import type { RunningCall } from "./ToolCall.ts"
import type { RunnableTool, ToolSource } from "./ToolSource.ts"

type Run<I, O> = (principal: Principal, input: I, call: RunningCall) => Effect.Effect<O, CallFailure>

/** A tool of a definition: arguments are decoded, results encoded, and both have the schemas that are listed. */
export const bind =
  (within: ResultLimit) =>
  <I, IE, O, OE extends Schema.JsonObject>(
    definition: McpTools.McpTool<Schema.Codec<I, IE>, Schema.Codec<O, OE>>,
    use: Run<I, O>
  ): RunnableTool => {
    const { annotations, description, input, name, output, scope, title, toolset } = definition
    const decode = Schema.decodeUnknownEffect(input, { onExcessProperty: "error", errors: "all" })
    const encode = Schema.encodeEffect(output)
    const inputSchema = inputSchemaOf(input)
    const outputSchema = outputSchemaOf(output)
    const traits = { changes: !annotations.readOnlyHint, arguments: argumentsOf(inputSchema), output: outputSchema }
    const tool: RegisteredTool = {
      definition: {
        name,
        title,
        description,
        inputSchema,
        outputSchema,
        annotations: { title, ...annotations }
      },
      toolset,
      scope,
      execution: "inline",
      headers: []
    }
    return {
      tool,
      run: (call) =>
        within(call.principal, traits, call.arguments, (input) =>
          decode(input).pipe(
            Effect.flatMap((arguments_) => use(call.principal, arguments_, call)),
            Effect.flatMap((result) => Effect.orDie(encode(result)))
          )
        ).pipe(Effect.timeout(toolCallTimeout))
    }
  }

/** The tools of `@devops-mcp/contract/McpTools`, in that order, bound to the use-cases and ports that do the work. */
export const makeBuiltInTools = Effect.gen(function* () {
  const contexts = yield* AgentContexts
  const contextRepository = yield* ContextRepository
  const knowledge = yield* Knowledge
  const events = yield* EventRepository
  const letters = yield* DeadLetters
  const tool = bind(yield* makeResultLimit)
  const tools: ReadonlyArray<RunnableTool> = [
    tool(McpTools.contextCreate, ({ tenantId }, input) => contexts.create(tenantId, input)),
    tool(McpTools.contextAppend, ({ tenantId }, { contextId: id, ...items }) => contexts.append(tenantId, id, items)),
    tool(McpTools.contextGet, ({ tenantId }, { contextId: id, ...query }) => contexts.window(tenantId, id, query)),
    tool(McpTools.contextSearch, ({ tenantId }, { contextId: id, ...query }) => contexts.search(tenantId, id, query)),
    tool(McpTools.contextCompact, ({ tenantId }, { contextId: id, ...input }) => contexts.compact(tenantId, id, input)),
    tool(McpTools.contextList, ({ tenantId }, query) => contextRepository.list(tenantId, pageRequest(query))),
    tool(McpTools.knowledgeSearch, ({ tenantId }, input) => knowledge.search(tenantId, input)),
    tool(McpTools.documentAdd, ({ tenantId }, input) => knowledge.addDocument(tenantId, input)),
    tool(McpTools.eventsList, ({ tenantId }, query) => events.list(tenantId, pageRequest(query))),
    tool(McpTools.eventGet, ({ tenantId }, { eventId }) => events.get(tenantId, eventId)),
    tool(McpTools.queuesList, ({ tenantId }) =>
      Effect.map(letters.queues(tenantId), (items) => ({ items, nextCursor: null }))
    ),
    tool(McpTools.deadLettersList, ({ tenantId }, { queue, ...query }) =>
      letters.list(tenantId, queue, pageRequest(query))
    ),
    tool(McpTools.deadLetterGet, ({ tenantId }, { deadLetterId: id, queue }) => letters.get(tenantId, queue, id)),
    tool(McpTools.deadLettersRedrive, ({ tenantId }, { ids, queue }) =>
      Effect.map(letters.redrive(tenantId, queue, ids), (redriven) => ({ redriven }))
    ),
    tool(McpTools.deadLettersDiscard, ({ tenantId }, { ids, queue, reason }) =>
      Effect.map(letters.discard(tenantId, queue, reason, ids), (discarded) => ({ discarded }))
    )
  ]
  const byName = new Map(tools.map((runnable) => [runnable.tool.definition.name, runnable]))
  return { tools: () => Effect.succeed(byName) } satisfies ToolSource
})
