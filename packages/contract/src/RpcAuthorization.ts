import { Schema } from "effect"
import { type Rpc, RpcGroup, RpcMiddleware } from "effect/rpc"
import { type Caller, type Guarded, Requires } from "./Authorization.ts"
import { Forbidden, InternalError, TooManyRequests, Unauthorized, Unavailable } from "./Problems.ts"

/** Authenticates, limits, authorises and audits every call, with the credential that opened its connection. */
export class RpcAuthorization extends RpcMiddleware.Service<RpcAuthorization, { provides: Caller }>()(
  "@devops-mcp/contract/RpcAuthorization",
  { error: Schema.Union([Unauthorized, Forbidden, TooManyRequests, InternalError, Unavailable]) }
) {}

/** Declares what a procedure requires of its caller. */
export const rpcRequires =
  (permission: Guarded[keyof Guarded]) =>
  <R extends Rpc.Any>(rpc: R): R & Guarded =>
    // Every procedure has its annotations, which its own type is too narrow to show; the brand is for the compiler only.
    (rpc as unknown as Rpc.AnyWithProps & Pick<Rpc.Rpc<string>, "annotate">).annotate(
      Requires,
      permission
    ) as unknown as R & Guarded

/**
 * Procedures behind a credential. It takes those only that say what they require, so that one without a permission does
 * not compile.
 */
export const guardedRpcs = <const Rpcs extends ReadonlyArray<Rpc.Any & Guarded>>(...rpcs: Rpcs) =>
  RpcGroup.make(...rpcs).middleware(RpcAuthorization)
