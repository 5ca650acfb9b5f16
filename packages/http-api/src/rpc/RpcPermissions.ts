import { Requires } from "@devops-mcp/contract/Authorization"
import { RpcAuthorization } from "@devops-mcp/contract/RpcAuthorization"
import { Context, Effect, Layer, Option } from "effect"
import type { Rpc, RpcGroup } from "effect/rpc"
import { PermissionUndeclared } from "../Permissions.ts"

/** Fails unless every procedure says what it requires, and has the middleware that sees to it. */
export const RpcPermissionsDeclared = <R extends Rpc.Any>({ requests }: RpcGroup.RpcGroup<R>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      for (const [name, procedure] of requests) {
        // Every procedure has its annotations and middleware, which the group's type is too narrow to show.
        const { annotations, middlewares } = procedure as unknown as Rpc.AnyWithProps
        const required = Context.getOption(annotations, Requires)
        const route = `RPC ${name}`
        if (Option.isNone(required)) return yield* new PermissionUndeclared({ route, name, lacks: "permission" })
        if (!middlewares.has(RpcAuthorization)) {
          return yield* new PermissionUndeclared({ route, name, lacks: "authorization" })
        }
      }
    })
  )
