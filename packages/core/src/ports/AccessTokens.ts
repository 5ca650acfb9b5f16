import { Unauthenticated } from "@devops-mcp/domain/Errors"
import type { TenantId } from "@devops-mcp/domain/Ids"
import type { Scope } from "@devops-mcp/domain/Principal"
import { Context, type DateTime, Effect, Layer, type Redacted, Schema } from "effect"

/** What a token says once its signature, issuer, audience and times are found good. Its tenant may not exist. */
export interface TokenClaims {
  readonly tenantId: TenantId
  readonly subject: string
  /** The OAuth client that acts for the subject, when the token names one. */
  readonly client?: string
  /** Those of the token's scopes that mean something here. */
  readonly scopes: ReadonlyArray<Scope>
  readonly expiresAt: DateTime.Utc
}

/** The authorization server's keys are not to be had, so nobody can say whether a token is good. */
export class AccessTokensUnavailable extends Schema.TaggedError<AccessTokensUnavailable>()(
  "@devops-mcp/core/ports/AccessTokens/AccessTokensUnavailable",
  {
    retryable: Schema.Boolean,
    cause: Schema.Defect()
  }
) {
  override get message() {
    return "The authorization server's keys could not be read"
  }
}

/** Every token that is not accepted is refused with this, whatever is wrong with it. */
export const refusedToken = new Unauthenticated({ detail: "The access token is not valid or has expired" })

/** Verifies access tokens of an authorization server. A refusal never says which check failed. */
export class AccessTokens extends Context.Service<
  AccessTokens,
  {
    readonly verify: (token: Redacted.Redacted) => Effect.Effect<TokenClaims, Unauthenticated | AccessTokensUnavailable>
  }
>()("@devops-mcp/core/ports/AccessTokens") {
  /** Without an authorization server no token is good. */
  static readonly layerRefusing = Layer.succeed(AccessTokens, { verify: () => Effect.fail(refusedToken) })
}
