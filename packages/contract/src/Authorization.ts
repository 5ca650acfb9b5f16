import type { Principal, Scope } from "@devops-mcp/domain/Principal"
import { Context } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import { Forbidden, InternalError, Unauthorized, Unavailable } from "./Problems.ts"

/** The authenticated caller of the request being handled. */
export class Caller extends Context.Service<Caller, Principal>()("@devops-mcp/contract/Authorization/Caller") {}

/** What a route demands: a scope, or only a valid credential. A route without this annotation is refused to everyone. */
export class Requires extends Context.Service<Requires, Scope | "any">()(
  "@devops-mcp/contract/Authorization/Requires"
) {}

/**
 * Authenticates, authorises and audits before and after a handler. The credential is a bearer token or `X-API-Key`;
 * both are one middleware and no `HttpApiSecurity` pair, whose last failure would turn a 403 into a 401.
 */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()(
  "@devops-mcp/contract/Authorization",
  { error: [Unauthorized, Forbidden, InternalError, Unavailable] }
) {}
