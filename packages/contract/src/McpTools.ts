import { AgentContext, ContextWindow } from "@devops-mcp/domain/AgentContext"
import { Document } from "@devops-mcp/domain/Document"
import { Event } from "@devops-mcp/domain/Event"
import { DeadLetter } from "@devops-mcp/domain/DeadLetter"
import { ContextId, DeadLetterId, EventId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import type { Scope } from "@devops-mcp/domain/Principal"
import { JsonSchemaDocument } from "@devops-mcp/domain/Tool"
import { Schema } from "effect"
import {
  AppendItems,
  CompactContext,
  CompactedContext,
  ContextHits,
  CreateContext,
  SearchContext,
  WindowQuery
} from "./ContextsApi.ts"
import { AddDocument, EventPage, EventQuery, Search, SearchHits } from "./KnowledgeApi.ts"
import { QueueName } from "./Jobs.ts"
import { listQuery } from "./Lists.ts"
import {
  DeadLetterPage,
  DeadLetterQuery,
  DiscardDeadLetters,
  Discarded,
  idsOrAll,
  notBoth,
  QueuePage,
  RedriveDeadLetters,
  Redriven
} from "./QueuesApi.ts"
import { ConfirmationToken } from "./ToolsApi.ts"

/** Names of our own toolsets. A configured tool's actions are a toolset with that tool's name. */
export const toolsets = ["context", "knowledge", "events", "queues", "discovery"] as const
export type Toolset = (typeof toolsets)[number]

/** MCP's four hints; each tool states all of them. */
export const ToolAnnotations = Schema.Struct({
  readOnlyHint: Schema.Boolean,
  destructiveHint: Schema.Boolean,
  idempotentHint: Schema.Boolean,
  openWorldHint: Schema.Boolean
}).annotate({ identifier: "ToolAnnotations" })
export type ToolAnnotations = typeof ToolAnnotations.Type

/** An MCP tool as agents see it. Its schemas are those of the HTTP route that does the same. */
export interface McpTool<In extends Schema.Top, Out extends Schema.Top> {
  readonly name: string
  readonly toolset: Toolset
  readonly title: string
  readonly description: string
  readonly scope: Scope
  readonly annotations: ToolAnnotations
  readonly input: In
  readonly output: Out
}

const tool = <In extends Schema.Top, Out extends Schema.Top>(definition: McpTool<In, Out>) => definition

const reads = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false }
const adds = { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false }

const contextId = { contextId: ContextId }

export const contextCreate = tool({
  name: "context_create",
  toolset: "context",
  title: "Create a context",
  description:
    "Creates an empty context: an ordered list of messages kept for you, with a token budget. Returns its id.",
  scope: "contexts:write",
  annotations: adds,
  input: CreateContext,
  output: AgentContext
})

/** The route's answer without the texts, which the agent has just sent itself. */
export const AppendReceipt = Schema.Struct({
  items: Schema.Array(Schema.Struct({ seq: Schema.Int, tokens: Schema.Int })),
  context: AgentContext
})

export const contextAppend = tool({
  name: "context_append",
  toolset: "context",
  title: "Append to a context",
  description:
    "Appends messages to a context, in order. Pinned and system messages stay in every window while they fit.",
  scope: "contexts:write",
  annotations: adds,
  input: Schema.Struct({ ...contextId, ...AppendItems.fields }),
  output: AppendReceipt
})

export const contextGet = tool({
  name: "context_get",
  toolset: "context",
  title: "Read a context's window",
  description:
    "Returns the messages of a context that fit a token budget, oldest first. What does not fit is left out and counted.",
  scope: "contexts:read",
  annotations: reads,
  input: Schema.Struct({ ...contextId, ...WindowQuery.fields }),
  output: ContextWindow
})

export const contextSearch = tool({
  name: "context_search",
  toolset: "context",
  title: "Search in a context",
  description: "Finds messages of one context by meaning and by words. New messages can be found after a few seconds.",
  scope: "contexts:read",
  annotations: reads,
  input: Schema.Struct({ ...contextId, ...SearchContext.fields }),
  output: ContextHits
})

export const contextCompact = tool({
  name: "context_compact",
  toolset: "context",
  title: "Compact a context",
  description:
    "Shrinks a context to a token budget: what does not fit is replaced by one digest message, which says where it can still be read.",
  scope: "contexts:write",
  annotations: { ...adds, idempotentHint: true },
  input: Schema.Struct({ ...contextId, ...CompactContext.fields }),
  output: CompactedContext
})

export const contextList = tool({
  name: "context_list",
  toolset: "context",
  title: "List contexts",
  description: "Lists contexts, newest first, optionally those of one agent or session, or with words in their name.",
  scope: "contexts:read",
  annotations: reads,
  input: Schema.Struct({
    ...listQuery,
    agentId: Schema.optionalKey(Schema.String),
    sessionId: Schema.optionalKey(Schema.String),
    q: Schema.optionalKey(Schema.String.check(Schema.isBetweenLength(1, 200)))
  }),
  output: Page(AgentContext)
})

export const knowledgeSearch = tool({
  name: "knowledge_search",
  toolset: "knowledge",
  title: "Search the knowledge",
  description:
    "Finds events, documents and contexts by meaning and by words. Describe what you look for in a sentence; each hit has a ref to read more.",
  scope: "knowledge:read",
  annotations: reads,
  input: Search,
  output: SearchHits
})

export const documentAdd = tool({
  name: "document_add",
  toolset: "knowledge",
  title: "Add a document",
  description: "Adds a text to the knowledge. It can be found a few seconds later, when its status is 'ready'.",
  scope: "knowledge:write",
  annotations: adds,
  input: AddDocument,
  output: Document
})

export const eventsList = tool({
  name: "events_list",
  toolset: "events",
  title: "List events",
  description:
    "Lists what happened in the delivery pipeline, newest first: pushes, pull requests, deployments, alerts.",
  scope: "events:read",
  annotations: reads,
  input: EventQuery,
  output: EventPage
})

export const eventGet = tool({
  name: "event_get",
  toolset: "events",
  title: "Read an event",
  description: "Returns one event by its id, as in `event://ID`.",
  scope: "events:read",
  annotations: reads,
  input: Schema.Struct({ eventId: EventId }),
  output: Event
})

const queue = { queue: QueueName }

export const queuesList = tool({
  name: "queues_list",
  toolset: "queues",
  title: "List the queues",
  description:
    "Lists the queues of background jobs: how many wait, how many run, how long the oldest has waited, and how many of yours were given up (dead letters).",
  scope: "queues:admin",
  annotations: reads,
  // A struct without fields would be anything but null.
  input: Schema.Record(Schema.String, Schema.Never),
  output: QueuePage
})

export const deadLettersList = tool({
  name: "dead_letters_list",
  toolset: "queues",
  title: "List dead letters",
  description: "Lists jobs of a queue that failed for good, newest first, each with its error and its attempts.",
  scope: "queues:admin",
  annotations: reads,
  input: Schema.Struct({ ...queue, ...DeadLetterQuery.fields }),
  output: DeadLetterPage
})

export const deadLetterGet = tool({
  name: "dead_letter_get",
  toolset: "queues",
  title: "Read a dead letter",
  description: "Returns one job that failed for good: its error, its attempts, and what was to be done.",
  scope: "queues:admin",
  annotations: reads,
  input: Schema.Struct({ ...queue, deadLetterId: DeadLetterId }),
  output: DeadLetter
})

export const deadLettersRedrive = tool({
  name: "dead_letters_redrive",
  toolset: "queues",
  title: "Put dead letters back",
  description:
    "Puts jobs that failed for good back into their queue, once their cause is mended: those with the given ids, else all of the queue. Returns how many.",
  scope: "queues:admin",
  annotations: adds,
  input: Schema.Struct({ ...queue, ...RedriveDeadLetters.fields }).check(notBoth),
  output: Redriven
})

export const deadLettersDiscard = tool({
  name: "dead_letters_discard",
  toolset: "queues",
  title: "Discard dead letters",
  description:
    "Decides, with a reason, that jobs which failed for good will not be done: those with the given ids, or with all: true every one of the queue. This cannot be undone. Returns how many.",
  scope: "queues:admin",
  annotations: { ...adds, destructiveHint: true, idempotentHint: true },
  input: Schema.Struct({ ...queue, ...DiscardDeadLetters.fields }).check(idsOrAll),
  output: Discarded
})

const McpToolName = Schema.String.check(Schema.isBetweenLength(1, 128))

const listedTool = {
  name: Schema.String,
  title: Schema.String,
  description: Schema.String,
  toolset: Schema.String,
  annotations: ToolAnnotations
}

export const toolsSearch = tool({
  name: "tools_search",
  toolset: "discovery",
  title: "Search the tools",
  description:
    "Finds tools by words of their name, description and arguments, best first. Then read their schemas with tools_describe and run them with tools_call.",
  scope: "tools:read",
  annotations: reads,
  input: Schema.Struct({
    query: Schema.String.check(Schema.isBetweenLength(1, 500)),
    /** 10 when absent. */
    limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 }))),
    /** Only tools that change nothing. */
    readOnly: Schema.optionalKey(Schema.Boolean)
  }),
  output: Schema.Struct({ items: Schema.Array(Schema.Struct({ ...listedTool, score: Schema.Finite })) })
})

export const toolsDescribe = tool({
  name: "tools_describe",
  toolset: "discovery",
  title: "Describe tools",
  description: "Returns the definitions of tools with their input and output schemas. Names that are none are listed.",
  scope: "tools:read",
  annotations: reads,
  input: Schema.Struct({ names: Schema.Array(McpToolName).check(Schema.isBetweenLength(1, 20)) }),
  output: Schema.Struct({
    items: Schema.Array(
      Schema.Struct({
        ...listedTool,
        inputSchema: JsonSchemaDocument,
        outputSchema: Schema.optionalKey(JsonSchemaDocument)
      })
    ),
    unknown: Schema.Array(Schema.String)
  })
})

export const toolsCall = tool({
  name: "tools_call",
  toolset: "discovery",
  title: "Call a tool",
  description:
    "Runs a tool by its name, listed or not, and returns what it returns. A destructive one may ask for a confirmation: repeat the call with the confirmationToken of its answer.",
  scope: "tools:read",
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  input: Schema.Struct({
    name: McpToolName,
    arguments: Schema.optionalKey(Schema.JsonObject),
    confirmationToken: Schema.optionalKey(ConfirmationToken)
  }),
  output: Schema.JsonObject
})
