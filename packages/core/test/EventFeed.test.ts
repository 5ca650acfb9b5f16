import { Change, Changes } from "@devops-mcp/core/changes/Changes"
import { EventFeed } from "@devops-mcp/core/events/EventFeed"
import { EventRepository, type FeedPage } from "@devops-mcp/core/ports/EventRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { TenantId } from "@devops-mcp/domain/Ids"
import { freshId, newEvent } from "@devops-mcp/testing/Fixtures"
import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Fiber, Layer, Latch, Stream } from "effect"
import { TestClock } from "effect/testing"

/** A store of one tenant's events, and how often it was read, as `cursor` or `cursor repository`. */
const makeStore = () => {
  const listeners = new Set<(change: Change) => void>()
  const stored: Array<ReturnType<typeof newEvent>> = []
  const reads: Array<string> = []
  const away = Latch.makeUnsafe(true)
  let failing = 0
  const layer = EventFeed.layer.pipe(
    Layer.provide([
      Layer.succeed(Changes, {
        announce: (change) => Effect.sync(() => listeners.forEach((listener) => listener(change))),
        listen: (listener) => Effect.sync(() => void listeners.add(listener))
      }),
      Layer.mock(EventRepository, {
        feedEnd: () => Effect.succeed(String(stored.length)),
        feed: (_tenantId, { after, repository }) =>
          Effect.suspend(() => {
            reads.push(repository === undefined ? after : `${after} ${repository}`)
            if (failing-- > 0) return Effect.fail(new StoreError({ operation: "feed", retryable: true, cause: "away" }))
            const items = stored
              .slice(Number(after))
              .map((event, at) => ({ event, cursor: String(Number(after) + at + 1) }))
            const page: FeedPage = { items, cursor: String(stored.length), hasMore: false, isHeldBack: false }
            return Effect.as(away.await, page)
          })
      })
    ])
  )
  const store = (tenantId: TenantId) =>
    Effect.flatMap(
      Effect.sync(() => stored.push(newEvent())),
      () =>
        Effect.sync(() => {
          for (const listener of listeners) {
            listener(Change.cases.ResourceUpdated.make({ tenantId, uri: `event://${stored.at(-1)?.id}` }))
          }
        })
    )
  return { layer, store, stored, away, since: () => reads.splice(0), fail: (times: number) => (failing = times) }
}

const turns = Effect.replicateEffect(Effect.yieldNow, 20, { discard: true })

describe("feeds of events", () => {
  it.effect("that are as far as each other share what is read for one change, and each has all of it", () => {
    const { fail, layer, since, store, stored } = makeStore()
    return Effect.gen(function* () {
      const [feeds, tenantId] = [yield* EventFeed, freshId(TenantId)]
      const follow = (filter: { readonly repository?: string }) =>
        Effect.forkChild(
          Effect.flatMap(feeds.open(tenantId, filter), ({ entries }) => Stream.runCollect(Stream.take(entries, 3))),
          { startImmediately: true }
        )
      const followers = [
        ...(yield* Effect.replicateEffect(follow({}), 40)),
        ...(yield* Effect.replicateEffect(follow({ repository: "ada/engine" }), 10))
      ]
      yield* turns
      since()
      yield* store(tenantId)
      yield* turns
      assert.deepStrictEqual(since(), ["0", "0 ada/engine"])
      yield* store(tenantId)
      yield* turns
      assert.deepStrictEqual(since(), ["1", "1 ada/engine"])
      // Who cannot read tries again, with all of them.
      fail(1)
      yield* store(tenantId)
      yield* turns
      assert.deepStrictEqual(since(), ["2", "2 ada/engine"])
      yield* TestClock.adjust("1 minute")
      for (const entries of yield* Effect.forEach(followers, Fiber.join)) {
        assert.deepStrictEqual(
          Array.map(entries, ({ event }) => event.id),
          stored.map(({ id }) => id)
        )
      }
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("are read again for a change that came while they read", () => {
    const { away, layer, since, store, stored } = makeStore()
    return Effect.gen(function* () {
      const [feeds, tenantId] = [yield* EventFeed, freshId(TenantId)]
      const { entries } = yield* feeds.open(tenantId, {})
      const follower = yield* Effect.forkChild(Stream.runCollect(Stream.take(entries, 2)), { startImmediately: true })
      yield* turns
      since()
      away.closeUnsafe()
      yield* store(tenantId)
      yield* turns
      yield* store(tenantId)
      const late = yield* Effect.forkChild(
        Effect.flatMap(feeds.open(tenantId, {}, "0"), (feed) => Stream.runCollect(Stream.take(feed.entries, 2))),
        { startImmediately: true }
      )
      yield* turns
      yield* away.open
      // Whoever asks while another reads does not take what that one has seen.
      assert.strictEqual((yield* Fiber.join(late)).length, 2)
      const found = yield* Fiber.join(follower)
      assert.deepStrictEqual(
        Array.map(found, ({ event }) => event.id),
        stored.map(({ id }) => id)
      )
    }).pipe(Effect.scoped, Effect.provide(layer))
  })
})
