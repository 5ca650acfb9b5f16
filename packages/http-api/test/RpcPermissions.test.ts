import { Requires } from "@devops-mcp/contract/Authorization"
import { EventsRpc } from "@devops-mcp/contract/EventsRpc"
import { guardedRpcs, rpcRequires } from "@devops-mcp/contract/RpcAuthorization"
import { RpcPermissionsDeclared } from "@devops-mcp/http-api/rpc/RpcPermissions"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

const open = Rpc.make("Secrets")

const start = <R extends Rpc.Any>(group: RpcGroup.RpcGroup<R>) =>
  Effect.scoped(Layer.build(RpcPermissionsDeclared(group)))

describe("a procedure without a permission", () => {
  it("does not compile behind a credential", () => {
    // @ts-expect-error: the procedure does not say what it requires
    guardedRpcs(open)
    // @ts-expect-error: one of them does not say what it requires
    guardedRpcs(open.pipe(rpcRequires("any")), Rpc.make("More"))
    // @ts-expect-error: behind a credential nobody checks a signature
    rpcRequires("signature")
    assert.isDefined(guardedRpcs(open.pipe(rpcRequires("any"))))
  })

  it.effect("does not start, and what is said names it", () =>
    Effect.gen(function* () {
      const undeclared = yield* Effect.flip(start(RpcGroup.make(open)))
      assert.include(undeclared.message, "RPC Secrets")
      assert.strictEqual(undeclared.lacks, "permission")
      const unchecked = yield* Effect.flip(start(RpcGroup.make(open.annotate(Requires, "keys:admin"))))
      assert.strictEqual(unchecked.lacks, "authorization")
    })
  )

  it.effect("is none of ours", () => start(EventsRpc))
})
