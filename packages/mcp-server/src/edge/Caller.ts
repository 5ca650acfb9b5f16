import type { AuthenticationError } from "@devops-mcp/core/access/Authentication"
import type { RateLimited } from "@devops-mcp/core/limits/RateLimited"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
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
  /** Asked for each message: a connection may outlive its credential. */
  readonly principal: Effect.Effect<Principal, AuthenticationError | RateLimited>
  /** Of the message being handled. */
  readonly requestId: Effect.Effect<string>
  readonly context: Context.Context<never>
  readonly view: View
  /** Absent where the revision has `subscriptions/listen` instead. */
  readonly subscriptions: Subscriptions | undefined

  constructor(options: Pick<Caller, "principal" | "requestId" | "context" | "view" | "subscriptions">) {
    this.principal = options.principal
    this.requestId = options.requestId
    this.context = options.context
    this.view = options.view
    this.subscriptions = options.subscriptions
  }
}
