import type { OAuthEndpoints, OAuthProvider } from "@devops-mcp/domain/Connection"
import { Context, type Effect, type Redacted, Schema } from "effect"

/**
 * An authorization server did not do what was asked. `refused`: it said no, with this OAuth error code; `forbidden`: its
 * address is none that we call; the others are its faults. Never holds a token, nor what it said in words.
 */
export class OAuthFailure extends Schema.TaggedError<OAuthFailure>()(
  "@devops-mcp/core/ports/OAuthClient/OAuthFailure",
  {
    operation: Schema.Literals(["discover", "exchange", "refresh", "revoke"]),
    reason: Schema.Literals(["refused", "forbidden", "unreachable", "invalid"]),
    detail: Schema.String,
    code: Schema.optionalKey(Schema.String),
    /** Milliseconds after which it may answer again. */
    retryAfter: Schema.optionalKey(Schema.Number)
  }
) {
  get retryable() {
    return this.reason === "unreachable"
  }

  override get message() {
    return this.detail
  }
}

/** Our registration at an authorization server. */
export interface OAuthRegistration {
  readonly provider: Omit<OAuthProvider, "id" | "name" | "createdAt">
  readonly clientSecret?: Redacted.Redacted
}

/** What the browser brought back from the authorization server. */
export interface AuthorizationAnswer {
  readonly state: string
  readonly code: string
  readonly iss?: string
}

/** What was sent along with the request that is being answered. */
export interface AuthorizationRequest {
  readonly redirectUri: string
  readonly state: string
  readonly verifier: Redacted.Redacted
}

/** What an authorization server gave us. Without `expiresIn`, in seconds, the access token has no known end. */
export interface TokenSet {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken?: Redacted.Redacted
  readonly expiresIn?: number
  /** Absent: those that were asked for. */
  readonly scopes?: ReadonlyArray<string>
}

/** A client of third-party authorization servers; every call is bounded in time and size and follows no redirect. */
export class OAuthClient extends Context.Service<
  OAuthClient,
  {
    /** Whether we may call these addresses, as far as that can be told without calling them. */
    readonly check: (provider: OAuthRegistration["provider"]) => Effect.Effect<void, OAuthFailure>
    /** What an issuer publishes about itself (RFC 8414, else OpenID Connect Discovery). */
    readonly discover: (issuer: string, allowPrivateNetwork: boolean) => Effect.Effect<OAuthEndpoints, OAuthFailure>
    /** Checks that the answer is this server's answer to this request before it trades the code. */
    readonly exchange: (
      registration: OAuthRegistration,
      request: AuthorizationRequest,
      answer: AuthorizationAnswer
    ) => Effect.Effect<TokenSet, OAuthFailure>
    readonly refresh: (
      registration: OAuthRegistration,
      refreshToken: Redacted.Redacted
    ) => Effect.Effect<TokenSet, OAuthFailure>
    /** Nothing where the server has no revocation endpoint. */
    readonly revoke: (registration: OAuthRegistration, token: Redacted.Redacted) => Effect.Effect<void, OAuthFailure>
  }
>()("@devops-mcp/core/ports/OAuthClient") {}
