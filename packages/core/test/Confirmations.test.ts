import * as CacheMemory from "@devops-mcp/cache/CacheMemory"
import { confirmationLifetime, Confirmations } from "@devops-mcp/core/access/Confirmations"
import { Cache, CacheError } from "@devops-mcp/core/ports/Cache"
import { TenantId, ToolId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { freshId, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Exit, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { principalOf } from "./Fakes.ts"

const caller = principalOf(freshId(TenantId), "operator")
const call = {
  tool: { id: freshId(ToolId), version: 3 },
  action: "remove",
  arguments: { name: "main", options: { force: true, depth: 1 } }
}

const OnMemory = Confirmations.layer.pipe(
  Layer.provide([CacheMemory.layer, TestSigningKey]),
  Layer.provideMerge(NodeCrypto.layer)
)

const request = (principal: Principal = caller) =>
  Effect.flatMap(Confirmations, (confirmations) => confirmations.request(principal, call))

const redeem = (token: string, given: typeof call = call, principal: Principal = caller) =>
  Effect.flatMap(Confirmations, (confirmations) => Effect.exit(confirmations.redeem(principal, token, given)))

const refusedBy = (exit: Exit.Exit<void, { readonly _tag: string }>) =>
  Exit.match(exit, {
    onSuccess: () => "redeemed",
    onFailure: ({ reasons }) =>
      reasons.map((reason) => (reason._tag === "Fail" ? reason.error._tag : reason._tag)).join()
  })

const invalid = "@devops-mcp/domain/Errors/InvalidInput"

layer(OnMemory)("a confirmation", (it) => {
  it.effect("is good once", () =>
    Effect.gen(function* () {
      const { confirmationToken } = yield* request()
      assert.strictEqual(refusedBy(yield* redeem(confirmationToken)), "redeemed")
      assert.strictEqual(refusedBy(yield* redeem(confirmationToken)), invalid)
    })
  )

  it.effect("is good for one of many that bring it at once", () =>
    Effect.gen(function* () {
      const { confirmationToken } = yield* request()
      const exits = yield* Effect.all(
        Array.from({ length: 24 }, () => redeem(confirmationToken)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
    })
  )

  it.effect("of the same call is another one each time", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* request(), yield* request()]
      assert.strictEqual(refusedBy(yield* redeem(first.confirmationToken)), "redeemed")
      assert.strictEqual(refusedBy(yield* redeem(second.confirmationToken)), "redeemed")
    })
  )

  it.effect("does not care in which order the arguments are written", () =>
    Effect.gen(function* () {
      const { confirmationToken } = yield* request()
      const reordered = { ...call, arguments: { options: { depth: 1, force: true }, name: "main" } }
      assert.strictEqual(refusedBy(yield* redeem(confirmationToken, reordered)), "redeemed")
    })
  )

  it.effect("is for its caller and its call alone", () =>
    Effect.gen(function* () {
      const { confirmationToken } = yield* request()
      const others: ReadonlyArray<readonly [typeof call, Principal]> = [
        [{ ...call, action: "purge" }, caller],
        [{ ...call, tool: { ...call.tool, id: freshId(ToolId) } }, caller],
        [{ ...call, tool: { ...call.tool, version: 4 } }, caller],
        [{ ...call, arguments: { ...call.arguments, name: "other" } }, caller],
        [{ ...call, arguments: { ...call.arguments, options: { force: true, depth: 2 } } }, caller],
        [call, { ...caller, actor: "somebody" }],
        [call, { ...caller, credential: "jwt" }],
        [call, { ...caller, tenantId: freshId(TenantId) }]
      ]
      for (const [given, principal] of others) {
        assert.strictEqual(refusedBy(yield* redeem(confirmationToken, given, principal)), invalid)
      }
      assert.strictEqual(refusedBy(yield* redeem(confirmationToken)), "redeemed")
    })
  )

  it.effect("expires", () =>
    Effect.gen(function* () {
      const { confirmationToken } = yield* request()
      const late = yield* request()
      yield* TestClock.adjust(Duration.subtract(confirmationLifetime, Duration.millis(1)))
      assert.strictEqual(refusedBy(yield* redeem(confirmationToken)), "redeemed")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(refusedBy(yield* redeem(late.confirmationToken)), invalid)
    })
  )

  it.effect.prop("is nothing that callers make up", { token: Schema.String }, ({ token }) =>
    Effect.gen(function* () {
      assert.strictEqual(refusedBy(yield* redeem(token)), invalid)
    })
  )
})

describe("without the cache", () => {
  const Down = Layer.mock(Cache, {
    setIfAbsent: () => Effect.fail(new CacheError({ operation: "setIfAbsent", cause: new Error("down") }))
  })

  it.effect("nothing is confirmed", () =>
    Effect.gen(function* () {
      const { confirmationToken } = yield* request()
      assert.strictEqual(refusedBy(yield* redeem(confirmationToken)), "@devops-mcp/core/ports/Cache/CacheError")
    }).pipe(
      Effect.provide(
        Confirmations.layer.pipe(Layer.provide([Down, TestSigningKey]), Layer.provideMerge(NodeCrypto.layer))
      )
    )
  )
})
