import { assert, layer } from "@effect/vitest"
import { Change, Changes } from "@devops-mcp/core/changes/Changes"
import { requestBodyTimeout } from "@devops-mcp/resilience/Policies"
import { Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import { contexts, Observed, principalOf } from "./Fakes.ts"
import { caller, decodeFailure, encodeJson, legacyMessage, message, modern, request } from "./HostileFixtures.ts"
import { open } from "./RawHttp.ts"
import { Address, EdgeServer, TestServer } from "./TestServer.ts"

const news = "notifications/resources/updated"

/** Counts news in a stream's pieces, which end anywhere. */
const makeCounter = () => {
  let rest = ""
  return (text: string) => {
    const frames = (rest + text).split("\n\n")
    rest = frames.pop() ?? ""
    return frames.filter((frame) => frame.includes(news)).length
  }
}

layer(EdgeServer, { excludeTestServices: true })("/mcp and clients that hang", (it) => {
  for (const [era, headers] of [
    ["2026-07-28", modern("tools/call", { "mcp-name": "context_get" })],
    ["2025", caller]
  ] as const) {
    it.effect(`a call of ${era} is interrupted when its client's connection breaks`, () =>
      Effect.gen(function* () {
        const { hanging, interrupted } = yield* Observed
        const params = { name: "context_get", arguments: { contextId: contexts.hangingContext } }
        const body = encodeJson(era === "2025" ? legacyMessage("tools/call", params) : message("tools/call", params))
        const call = yield* Effect.forkChild(request({ headers, body, expected: [200, 0] }))
        yield* Queue.take(hanging)
        yield* Fiber.interrupt(call)
        yield* Queue.take(interrupted)
      })
    )
  }

  it.effect("a listener that never reads is dropped before its news fill the memory, and others hear all of it", () =>
    Effect.gen(function* () {
      const { announce } = yield* Changes
      const { url } = yield* Address
      const { tenantId } = principalOf("viewer")
      const uri = `context://${"x".repeat(1_300)}`
      const listen = {
        url,
        headers: modern("subscriptions/listen"),
        body: encodeJson(message("subscriptions/listen", { notifications: { resourceSubscriptions: [uri] } }))
      }
      const stuck = yield* open(listen)
      assert.strictEqual(stuck.status, 200)
      const heard = yield* Effect.flatMap(open(listen), ({ read }) => read)
      const count = makeCounter()
      // More than a connection's buffers take, and never more at once than a client that reads may be behind.
      const [rounds, perRound] = [200, 50]
      for (let round = 1; round <= rounds; round++) {
        for (let index = 0; index < perRound; index++) {
          yield* announce(Change.cases.ResourceUpdated.make({ tenantId, uri }))
        }
        let left = perRound
        while (left > 0) left -= count(yield* Queue.take(heard))
      }
      const texts = yield* Queue.collect(yield* stuck.read)
      const read = makeCounter()(texts.join(""))
      assert.isBelow(read, rounds * perRound)
      assert.isAbove(read, 0)
    })
  )
})

layer(TestServer)("/mcp on a clock of our own", (it) => {
  it.effect("answers who does not send the rest of a body that it waited for it", () =>
    Effect.gen(function* () {
      const answered = yield* Effect.forkChild(
        request({ headers: caller, body: ["{"], unfinished: true, expected: [408, 0] })
      )
      // Nobody tells when the server has begun to wait, so time passes until it has.
      const time = TestClock.withLive(Effect.yieldNow).pipe(
        Effect.andThen(TestClock.adjust(requestBodyTimeout)),
        Effect.forever
      )
      const { status, text } = yield* Effect.raceFirst(Fiber.join(answered), time)
      assert.strictEqual(status, 408)
      assert.strictEqual((yield* decodeFailure(text)).error.code, -32000)
    })
  )
})
