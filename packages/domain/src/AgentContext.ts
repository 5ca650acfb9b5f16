import { Schema } from "effect"
import { LongText, Metadata, Name, Timestamp, Tokens } from "./Fields.ts"
import { ContextId, ContextItemId } from "./Ids.ts"

export const ItemRole = Schema.Literals(["system", "user", "assistant", "tool"])
export type ItemRole = typeof ItemRole.Type

/** What an agent works in: an ordered list of items with a token budget. Counters always match the stored items. */
export const AgentContext = Schema.Struct({
  id: ContextId,
  name: Name,
  description: Schema.optionalKey(Schema.String),
  agentId: Schema.optionalKey(Schema.String),
  modelId: Schema.optionalKey(Schema.String),
  sessionId: Schema.optionalKey(Schema.String),
  maxTokens: Tokens,
  metadata: Metadata,
  tokenCount: Tokens,
  itemCount: Schema.Int,
  version: Schema.Int,
  createdAt: Timestamp,
  updatedAt: Timestamp,
  expiresAt: Schema.optionalKey(Timestamp)
}).annotate({ identifier: "AgentContext" })
export type AgentContext = typeof AgentContext.Type

/** One entry of a context. `seq` starts at 1, grows by 1 and is never reused; `tokens` is o200k of `content`. */
export const ContextItem = Schema.Struct({
  id: ContextItemId,
  seq: Schema.Int,
  role: ItemRole,
  content: LongText,
  tokens: Tokens,
  pinned: Schema.Boolean,
  metadata: Metadata,
  createdAt: Timestamp
}).annotate({ identifier: "ContextItem" })
export type ContextItem = typeof ContextItem.Type

/** How a window chooses what stays when not everything fits. */
export const WindowStrategy = Schema.Literals(["oldest_first", "preserve_user"])
export type WindowStrategy = typeof WindowStrategy.Type

/** What fits a token budget, in `seq` order. `tokenCount` never exceeds the budget. */
export const ContextWindow = Schema.Struct({
  items: Schema.Array(ContextItem),
  tokenCount: Tokens,
  omitted: Schema.Struct({ count: Schema.Int, tokens: Tokens }),
  strategy: WindowStrategy
}).annotate({ identifier: "ContextWindow" })
export type ContextWindow = typeof ContextWindow.Type
