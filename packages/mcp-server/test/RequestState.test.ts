import { scopesOf } from "@devops-mcp/core/Policy"
import { TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { freshId, TestSigningKey } from "@devops-mcp/testing/Fixtures"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { makeRequestState, requestStateLifetime } from "../src/registry/RequestState.ts"

const caller: Principal = {
  tenantId: freshId(TenantId),
  credential: "jwt",
  actor: "alice",
  name: "Alice",
  role: "operator",
  scopes: scopesOf("operator")
}

const input = { ref: "main", nested: { a: 1, b: [1, 2] } }
const tool = "git_reset"

const sealed = (state: Schema.Json = { step: 1 }) =>
  Effect.gen(function* () {
    const states = yield* makeRequestState
    return { states, text: yield* states.seal(caller, tool, input, state) }
  })

layer(TestSigningKey.pipe(Layer.provideMerge(NodeCrypto.layer)))("request state", (it) => {
  it.effect.prop("comes back as it was", { state: Schema.Json }, ({ state }) =>
    Effect.gen(function* () {
      const { states, text } = yield* sealed(state)
      const expected = JSON.parse(JSON.stringify(state))
      assert.deepStrictEqual(yield* states.open(caller, tool, input, text), expected)
      // Another replica with the same key, and arguments whose members come in another order.
      const other = yield* makeRequestState
      const reordered = { nested: { b: [1, 2], a: 1 }, ref: "main" }
      assert.deepStrictEqual(yield* other.open(caller, tool, reordered, text), expected)
    })
  )

  it.effect("is refused when any of its characters is another", () =>
    Effect.gen(function* () {
      const { states, text } = yield* sealed()
      for (let index = 0; index < text.length; index++) {
        for (const character of ["A", "B", "_", ".", "=", ""]) {
          const changed = `${text.slice(0, index)}${character}${text.slice(index + 1)}`
          if (changed === text) continue
          const failure = yield* Effect.flip(states.open(caller, tool, input, changed))
          assert.strictEqual(failure.code, -32602)
        }
      }
    })
  )

  it.effect.prop("is nothing that callers make up", { text: Schema.String, more: Schema.String }, ({ more, text }) =>
    Effect.gen(function* () {
      const { states, text: genuine } = yield* sealed()
      const made = [text, `${text}.${more}`, `${genuine}${more === "" ? " " : more}`, `${text} ${genuine}`]
      for (const forged of made) yield* Effect.flip(states.open(caller, tool, input, forged))
    })
  )

  it.effect("is refused from another caller, for another tool and with other arguments", () =>
    Effect.gen(function* () {
      const { states, text } = yield* sealed()
      const failure = yield* Effect.flip(states.open({ ...caller, actor: "bob" }, tool, input, text))
      assert.strictEqual(failure.message, "Invalid or expired requestState")
      assert.deepStrictEqual(failure.data, { reason: "invalid_request_state" })
      yield* Effect.flip(states.open({ ...caller, tenantId: freshId(TenantId) }, tool, input, text))
      yield* Effect.flip(states.open({ ...caller, credential: "api_key" }, tool, input, text))
      yield* Effect.flip(states.open(caller, "git_log", input, text))
      yield* Effect.flip(states.open(caller, tool, { ...input, ref: "other" }, text))
      yield* Effect.flip(states.open(caller, tool, { ...input, nested: { a: 1, b: [2, 1] } }, text))
      yield* Effect.flip(states.open(caller, tool, {}, text))
    })
  )

  it.effect("expires", () =>
    Effect.gen(function* () {
      const { states, text } = yield* sealed()
      yield* TestClock.adjust(Duration.subtract(requestStateLifetime, Duration.millis(1)))
      assert.deepStrictEqual(yield* states.open(caller, tool, input, text), { step: 1 })
      yield* TestClock.adjust("1 millis")
      yield* Effect.flip(states.open(caller, tool, input, text))
    })
  )
})
