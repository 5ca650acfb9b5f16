import type { Unauthenticated } from "@devops-mcp/domain/Errors"
import type { Principal } from "@devops-mcp/domain/Principal"
import type { StoreError } from "@devops-mcp/core/ports/StoreError"
import type { Context, Effect } from "effect"

/**
 * Whom an SDK server answers, and in which context its handlers run. A class, so that it can be told from anything else
 * that travels through the SDK's untyped `authInfo`.
 */
export class Caller {
  /** Asked for each message: a connection may outlive its credential. */
  readonly principal: Effect.Effect<Principal, Unauthenticated | StoreError>
  /** Of the message being handled. */
  readonly requestId: Effect.Effect<string>
  readonly context: Context.Context<never>

  constructor(options: Pick<Caller, "principal" | "requestId" | "context">) {
    this.principal = options.principal
    this.requestId = options.requestId
    this.context = options.context
  }
}
