import type { AuthenticationError } from "@devops-mcp/core/access/Authentication"
import type { RateLimited } from "@devops-mcp/core/limits/RateLimited"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { MessageExtraInfo, ServerContext } from "@modelcontextprotocol/server"
import type { Context, Effect } from "effect"
import type { View } from "../registry/View.ts"

/** Where the resources that a connection or session subscribed to (`resources/subscribe`, until 2025-11-25) are kept. */
export interface Subscriptions {
  readonly add: (uri: string) => Effect.Effect<void, StoreError>
  readonly remove: (uri: string) => Effect.Effect<void, StoreError>
}

/**
 * Whom an SDK server answers, and in which context its handlers run. A class, so that it can be told from anything else
 * that travels through the SDK's untyped `authInfo`.
 */
export class Caller {
  /** Who the transport let in: whose the messages are, also those that come after the credential has expired. */
  readonly admitted: Principal
  /** Asked for each message: a connection may outlive its credential. */
  readonly principal: Effect.Effect<Principal, AuthenticationError | RateLimited>
  /** Of the message being handled. */
  readonly requestId: Effect.Effect<string>
  readonly context: Context.Context<never>
  readonly view: View
  /** Absent where the revision has `subscriptions/listen` instead. */
  readonly subscriptions: Subscriptions | undefined

  constructor(options: Pick<Caller, "admitted" | "principal" | "requestId" | "context" | "view" | "subscriptions">) {
    this.admitted = options.admitted
    this.principal = options.principal
    this.requestId = options.requestId
    this.context = options.context
    this.view = options.view
    this.subscriptions = options.subscriptions
  }
}

/** What the SDK is told beside a message. It gets no credential, so it cannot pass one on. */
export const extraOf = (caller: Caller): MessageExtraInfo => ({
  authInfo: { token: "", clientId: "", scopes: [], extra: { caller } }
})

/** Who sent a message, as `extraOf` has it; nobody when it is one of ours. */
export const callerIn = (extra: MessageExtraInfo | undefined): Caller | undefined => {
  const caller = extra?.authInfo?.extra?.["caller"]
  return caller instanceof Caller ? caller : undefined
}

/** The same for its handler, which none of ours reaches. */
export const callerOf = ({ http }: ServerContext): Caller => {
  const caller = callerIn(http)
  if (caller === undefined) throw new Error("An MCP request came without its caller")
  return caller
}
