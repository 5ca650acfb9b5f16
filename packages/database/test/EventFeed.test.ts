import { EventRepository, type FeedEntry } from "@devops-mcp/core/ports/EventRepository"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import type { Event } from "@devops-mcp/domain/Event"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { freshTenant, newEvent } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Array as Arr, Deferred, Effect, Fiber, Layer, Order, Schema } from "effect"

const TestLayer = RepositoriesLive.pipe(Layer.provideMerge(TestDatabase))

const told = ({ event }: FeedEntry) => `${event.id} ${event.status}`

/** Everything that a feed shows after a cursor, in pages of a size. */
const readOn = Effect.fnUntraced(function* (tenant: TenantId, after: string, limit: number) {
  const events = yield* EventRepository
  const entries: Array<FeedEntry> = []
  let page = yield* events.feed(tenant, { after, limit })
  entries.push(...page.items)
  while (page.hasMore) {
    page = yield* events.feed(tenant, { after: page.cursor, limit })
    entries.push(...page.items)
  }
  return { entries, cursor: page.cursor, isHeldBack: page.isHeldBack }
})

/** Reads until nothing is held back: on a shared server others' transactions hold it back too, and they end. */
const readAll = (tenant: TenantId, after: string, limit: number) =>
  Effect.repeat(readOn(tenant, after, limit), { until: ({ isHeldBack }) => !isHeldBack })

// The embedded database has one transaction at a time.
const isServer = process.env["DATABASE_URL"] !== undefined

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("the feed of events", (it) => {
  it.effect("tells every event when it is stored and when its status changes, and nothing twice", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const tenant = yield* freshTenant
      yield* events.upsert(tenant, newEvent())
      const before = (yield* readAll(tenant, yield* events.feedEnd(tenant), 10)).cursor
      const [first, second] = [newEvent(), newEvent()]
      yield* events.upsert(tenant, first)
      yield* events.upsert(tenant, second)
      const stored = yield* readAll(tenant, before, 10)
      assert.deepStrictEqual(stored.entries.map(told), [`${first.id} received`, `${second.id} received`])
      assert.deepStrictEqual(stored.entries[0]?.event, first)

      yield* events.upsert(tenant, { ...first, status: "received" })
      yield* events.upsert(tenant, { ...first, status: "processed" })
      yield* events.upsert(tenant, { ...second, status: "failed" })
      // What is processed stays it, and nobody is told of what has not changed.
      yield* events.upsert(tenant, { ...first, status: "failed" })
      const changed = yield* readAll(tenant, stored.cursor, 10)
      assert.deepStrictEqual(changed.entries.map(told), [`${first.id} processed`, `${second.id} failed`])
      assert.deepStrictEqual((yield* readAll(tenant, changed.cursor, 10)).entries, [])
      // Who was away for all of it is told how it ended.
      assert.deepStrictEqual((yield* readAll(tenant, before, 1)).entries.map(told), changed.entries.map(told))
    })
  )

  it.effect("goes on after any of its cursors without loss or repetition, in one transaction too", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const { run } = yield* Transactions
      const tenant = yield* freshTenant
      const start = yield* events.feedEnd(tenant)
      const all = Array.from({ length: 12 }, () => newEvent())
      for (const chunk of Arr.chunksOf(all, 5)) {
        yield* run(
          tenant,
          Effect.forEach(chunk, (event) => events.upsert(tenant, event))
        )
      }
      const { entries } = yield* readAll(tenant, start, 3)
      assert.sameMembers(
        entries.map(told),
        all.map(({ id }) => `${id} received`)
      )
      for (const [index, { cursor }] of entries.entries()) {
        const rest = yield* readAll(tenant, cursor, 4)
        assert.deepStrictEqual(rest.entries, entries.slice(index + 1))
      }
    })
  )

  it.effect("shows a tenant its own events alone, and those that its filter names", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const [tenant, other] = [yield* freshTenant, yield* freshTenant]
      const start = yield* events.feedEnd(tenant)
      yield* events.upsert(other, newEvent())
      const wanted = yield* events.upsert(tenant, newEvent({ type: "release", repository: "ada/engine" }))
      yield* events.upsert(tenant, newEvent({ type: "issues" }))
      const all = yield* readAll(tenant, start, 10)
      assert.lengthOf(all.entries, 2)
      for (const filter of [
        { type: "release" },
        { repository: "ada/engine" },
        { source: "github" as const, type: "release" }
      ]) {
        const page = yield* events.feed(tenant, { ...filter, after: start, limit: 10 })
        assert.deepStrictEqual(
          page.items.map(({ event }) => event.id),
          [wanted.id]
        )
        // What did not fit need not be looked at again.
        assert.deepStrictEqual((yield* events.feed(tenant, { after: page.cursor, limit: 10 })).items, [])
      }
    })
  )

  it.effect.each(["", "none", "ZXZlbnRzOjE", "ZXZlbnQtZmVlZDoxLng"])("knows that %j is no cursor of it", (after) =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const error = yield* Effect.flip(events.feed(yield* freshTenant, { after, limit: 1 }))
      assert.strictEqual(error._tag, "@devops-mcp/core/ports/Cursor/CursorError")
    })
  )

  it.effect("refuses a cursor that is ahead of this database", () =>
    Effect.gen(function* () {
      const events = yield* EventRepository
      const ahead = Buffer.from("event-feed:999999999999999999.00000000-0000-0000-0000-000000000000")
      const error = yield* Effect.flip(
        events.feed(yield* freshTenant, { after: ahead.toString("base64url"), limit: 1 })
      )
      assert.strictEqual(error._tag, "@devops-mcp/core/ports/Cursor/CursorError")
    })
  )

  const Place = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 }))

  const propertyOnServer = isServer ? it.effect.prop : () => {}
  propertyOnServer(
    "loses nothing and repeats nothing when transactions commit in another order than they began",
    { places: Schema.Tuple([Place, Place, Place, Place, Place]), limit: Place },
    ({ limit, places }) =>
      Effect.gen(function* () {
        const events = yield* EventRepository
        const { run } = yield* Transactions
        const tenant = yield* freshTenant
        const start = yield* events.feedEnd(tenant)
        const seen: Array<FeedEntry> = []
        let cursor = start
        const follow = Effect.gen(function* () {
          const page = yield* readOn(tenant, cursor, 1 + (limit % 3))
          seen.push(...page.entries)
          cursor = page.cursor
          return page
        })
        const writers = yield* Effect.forEach(places, (place) =>
          Effect.gen(function* () {
            const [written, end] = [yield* Deferred.make<Event>(), yield* Deferred.make<void>()]
            const fiber = yield* run(
              tenant,
              Effect.gen(function* () {
                yield* Deferred.succeed(written, yield* events.upsert(tenant, newEvent()))
                yield* Deferred.await(end)
                if (place % 4 === 0) return yield* Effect.fail("rolled back")
              })
            ).pipe(Effect.exit, Effect.forkChild)
            const event = yield* Deferred.await(written)
            yield* follow
            return { place, event, commit: Effect.andThen(Deferred.succeed(end, undefined), Fiber.join(fiber)) }
          })
        )
        for (const { commit } of Arr.sortWith(writers, ({ place }) => place, Order.Number)) {
          yield* commit
          yield* follow
        }
        yield* Effect.repeat(follow, { until: ({ isHeldBack }) => !isHeldBack })
        const committed = writers.filter(({ place }) => place % 4 !== 0).map(({ event }) => event.id)
        assert.sameMembers(
          seen.map(({ event }) => event.id),
          committed
        )
        assert.lengthOf(seen, committed.length)
        assert.deepStrictEqual((yield* readAll(tenant, start, 2)).entries, seen)
      }),
    { arbitrary: { runs: 20 } }
  )
})
