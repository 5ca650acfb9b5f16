import { pageRequest } from "@devops-mcp/contract/Lists"
import * as McpTools from "@devops-mcp/contract/McpTools"
import { AgentContexts } from "@devops-mcp/core/contexts/AgentContexts"
import { Knowledge } from "@devops-mcp/core/knowledge/Knowledge"
import { ContextRepository } from "@devops-mcp/core/ports/ContextRepository"
import { EventRepository } from "@devops-mcp/core/ports/EventRepository"
import type { Principal, Scope } from "@devops-mcp/domain/Principal"
import { Effect, Schema } from "effect"
import type { CallFailure } from "./Failures.ts"
import { inputSchemaOf, outputSchemaOf } from "./JsonSchemas.ts"
import { argumentsOf, type RawArguments, type RegisteredTool } from "./RegisteredTool.ts"
import type { ResultTraits } from "./ResultLimit.ts"

/** A tool of our own with what it takes and the code behind it. */
export interface BuiltInTool {
  readonly tool: RegisteredTool
  readonly scope: Scope
  readonly traits: ResultTraits
  readonly run: (principal: Principal, input: RawArguments) => Effect.Effect<Schema.JsonObject, CallFailure>
}

const bind = <I, IE, O, OE extends Schema.JsonObject>(
  definition: McpTools.McpTool<Schema.Codec<I, IE>, Schema.Codec<O, OE>>,
  use: (principal: Principal, input: I) => Effect.Effect<O, CallFailure>
): BuiltInTool => {
  const { annotations, description, input, name, output, scope, title } = definition
  const decode = Schema.decodeUnknownEffect(input, { onExcessProperty: "error", errors: "all" })
  const encode = Schema.encodeEffect(output)
  const inputSchema = inputSchemaOf(input)
  return {
    tool: { name, title, description, inputSchema, outputSchema: outputSchemaOf(output), annotations },
    scope,
    traits: { changes: !annotations.readOnlyHint, arguments: argumentsOf(inputSchema) },
    run: (principal, raw) =>
      decode(raw).pipe(
        Effect.flatMap((arguments_) => use(principal, arguments_)),
        Effect.flatMap((result) => Effect.orDie(encode(result)))
      )
  }
}

/** The tools of `@devops-mcp/contract/McpTools`, in that order, bound to the use-cases and ports that do the work. */
export const makeBuiltInTools = Effect.gen(function* () {
  const contexts = yield* AgentContexts
  const contextRepository = yield* ContextRepository
  const knowledge = yield* Knowledge
  const events = yield* EventRepository
  return [
    bind(McpTools.contextCreate, ({ tenantId }, input) => contexts.create(tenantId, input)),
    bind(McpTools.contextAppend, ({ tenantId }, { contextId: id, ...items }) => contexts.append(tenantId, id, items)),
    bind(McpTools.contextGet, ({ tenantId }, { contextId: id, ...query }) => contexts.window(tenantId, id, query)),
    bind(McpTools.contextSearch, ({ tenantId }, { contextId: id, ...query }) => contexts.search(tenantId, id, query)),
    bind(McpTools.contextCompact, ({ tenantId }, { contextId: id, ...input }) => contexts.compact(tenantId, id, input)),
    bind(McpTools.contextList, ({ tenantId }, query) => contextRepository.list(tenantId, pageRequest(query))),
    bind(McpTools.knowledgeSearch, ({ tenantId }, input) => knowledge.search(tenantId, input)),
    bind(McpTools.documentAdd, ({ tenantId }, input) => knowledge.addDocument(tenantId, input)),
    bind(McpTools.eventsList, ({ tenantId }, query) => events.list(tenantId, pageRequest(query))),
    bind(McpTools.eventGet, ({ tenantId }, { eventId }) => events.get(tenantId, eventId))
  ]
})
