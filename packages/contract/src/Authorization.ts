import type { Principal, Scope } from "@devops-mcp/domain/Principal"
import { type Array as Arr, Context } from "effect"
import { type HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware } from "effect/http-api"
import {
  BadRequest,
  Forbidden,
  GatewayTimeout,
  InternalError,
  RequestTimeout,
  TooManyRequests,
  Unauthorized,
  Unavailable
} from "./Problems.ts"

/** The authenticated caller of the request being handled. */
export class Caller extends Context.Service<Caller, Principal>()("@devops-mcp/contract/Authorization/Caller") {}

/** A scope; `any` for every valid credential; `signature` where the handler checks the sender's signature instead. */
export type Permission = Scope | "any" | "signature"

/** What a route demands. Every route says it: the HTTP API does not start with one that does not. */
export class Requires extends Context.Service<Requires, Permission>()("@devops-mcp/contract/Authorization/Requires") {}

/**
 * Authenticates, limits, authorises and audits before and after a handler; only then is the body read. The credential is a bearer token or `X-API-Key`;
 * both are one middleware and no `HttpApiSecurity` pair, whose last failure would turn a 403 into a 401.
 */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()(
  "@devops-mcp/contract/Authorization",
  {
    error: [
      BadRequest,
      Unauthorized,
      Forbidden,
      RequestTimeout,
      TooManyRequests,
      InternalError,
      Unavailable,
      GatewayTimeout
    ]
  }
) {}

/** Whether a request changes nothing although its method is none that reads: its audit row needs no answer to wait. */
export const OnlyReads = Context.Reference<boolean>("@devops-mcp/contract/Authorization/OnlyReads", {
  defaultValue: () => false
})

/** An endpoint that has said what it requires; made by `requires` alone. */
export interface Guarded {
  readonly "~@devops-mcp/contract/Authorization/Guarded": Exclude<Permission, "signature">
}

/** Declares what an endpoint requires of its caller. */
export const requires =
  (permission: Guarded[keyof Guarded]) =>
  <E extends HttpApiEndpoint.Constraint>(endpoint: E): E & Guarded =>
    // Every endpoint is a Top, which its own type is too narrow to show; the brand exists for the compiler only.
    (endpoint as unknown as HttpApiEndpoint.Top).annotate(Requires, permission) as unknown as E & Guarded

/**
 * A group of endpoints behind a credential. It takes those only that say what they require, so that one without a
 * permission does not compile.
 */
export const guarded = <
  const Id extends string,
  const Endpoints extends Arr.NonEmptyReadonlyArray<HttpApiEndpoint.Constraint & Guarded>
>(
  id: Id,
  ...endpoints: Endpoints
) =>
  HttpApiGroup.make(id)
    .add(...endpoints)
    .middleware(Authorization)
