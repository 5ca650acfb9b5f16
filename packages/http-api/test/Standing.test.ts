import { Authentication } from "@devops-mcp/core/access/Authentication"
import { scopesOf } from "@devops-mcp/core/Policy"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { Unauthenticated } from "@devops-mcp/domain/Errors"
import type { Principal } from "@devops-mcp/domain/Principal"
import { makeStanding } from "@devops-mcp/http-api/events/Standing"
import { Draining } from "@devops-mcp/infrastructure/Draining"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { apiKeyId, tenantId } from "./Fakes.ts"

const principal: Principal = {
  tenantId,
  credential: "api_key",
  actor: apiKeyId,
  name: "viewer",
  role: "viewer",
  scopes: scopesOf("viewer")
}

type Answer = ReturnType<Authentication["Service"]["authenticate"]>

const good: Answer = Effect.succeed(principal)

/** A stream of a caller whose credential is answered in this way from its second check on. */
const opened = Effect.fnUntraced(function* (later: Answer) {
  let checks = 0
  const draining = yield* Deferred.make<void>()
  const standing = yield* makeStanding.pipe(
    Effect.provideService(
      Authentication,
      Authentication.of({ authenticate: () => Effect.suspend(() => (checks++ === 0 ? good : later)) })
    ),
    Effect.provideService(Draining, { begun: Deferred.await(draining) })
  )
  const fiber = yield* Effect.forkChild(standing.over(principal, "events:read", Redacted.make("key")), {
    startImmediately: true
  })
  const isOver = Effect.sync(() => fiber.pollUnsafe() !== undefined)
  return { isOver, drain: Deferred.succeed(draining, undefined), end: Fiber.join(fiber) }
})

const refused = Effect.fail(new Unauthenticated({ detail: "The API key is revoked" }))
const down = Effect.fail(new StoreError({ operation: "find", retryable: true, cause: "down" }))

describe("what keeps a stream open", () => {
  it.effect.each([
    ["is revoked or expired", refused],
    ["has lost the scope", Effect.succeed({ ...principal, scopes: [] })]
  ] as const)("ends within half a minute when the credential %s", ([, later]) =>
    Effect.gen(function* () {
      const stream = yield* opened(later)
      assert.isFalse(yield* stream.isOver)
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(yield* stream.isOver)
    })
  )

  it.effect("is not ended by a database that does not answer, nor by time", () =>
    Effect.gen(function* () {
      const streams = [yield* opened(down), yield* opened(good)]
      yield* TestClock.adjust("1 hour")
      for (const { isOver } of streams) assert.isFalse(yield* isOver)
    })
  )

  it.effect("ends when the server stops", () =>
    Effect.gen(function* () {
      const stream = yield* opened(good)
      yield* stream.drain
      yield* stream.end
      assert.isTrue(yield* stream.isOver)
    })
  )
})
