import type { TenantId } from "@devops-mcp/domain/Ids"
import { eventFeedHeldBack, eventFeedPolling, eventFeedRetry } from "@devops-mcp/resilience/Policies"
import { Context, Effect, Layer, Option, Queue, Request, RequestResolver, Semaphore, Stream } from "effect"
import { Changes } from "../changes/Changes.ts"
import type { CursorError } from "../ports/Cursor.ts"
import { EventRepository, type FeedEntry, type FeedFilter, type FeedPage } from "../ports/EventRepository.ts"
import type { StoreError } from "../ports/StoreError.ts"

/** Events that are read at once; a client that reads slowly has no more of them waiting. */
const pageSize = 100

/** Feeds of one process that read the database at once, so that they leave connections to others. */
const readsAtOnce = 4

const eventUri = "event://"

class ReadPage extends Request.Class<
  { readonly tenantId: TenantId; readonly filter: FeedFilter; readonly after: string },
  FeedPage,
  CursorError | StoreError
> {}

/** Of what is the same page at the same moment. */
const pageKey = ({ request: { after, filter, tenantId } }: Request.Entry<ReadPage>) =>
  JSON.stringify([tenantId, filter.source, filter.type, filter.repository, after])

interface Position {
  readonly cursor: string
  /** Whether everything up to the cursor was read, and for how many times something younger was held back. */
  readonly isAtEnd: boolean
  readonly heldBack: number
}

export interface OpenFeed {
  /** Where the feed begins: who goes on from here misses nothing of it. */
  readonly cursor: string
  readonly entries: Stream.Stream<FeedEntry, StoreError>
}

/**
 * A tenant's events as they are stored and change, without loss and in one order: it is read from the database, and the
 * bus only says when. Nothing is read ahead of who reads the stream.
 */
export class EventFeed extends Context.Service<
  EventFeed,
  {
    /** After a cursor, or from now on. The stream has no end. */
    readonly open: (
      tenantId: TenantId,
      filter: FeedFilter,
      after?: string
    ) => Effect.Effect<OpenFeed, CursorError | StoreError>
  }
>()("@devops-mcp/core/events/EventFeed") {
  static readonly layer = Layer.effect(
    EventFeed,
    Effect.gen(function* () {
      const events = yield* EventRepository
      const changes = yield* Changes
      const reads = yield* Semaphore.make(readsAtOnce)

      /** Feeds that are as far as each other and are woken by one change share what is read of it. */
      const pages = RequestResolver.makeGrouped<ReadPage, string>({
        key: pageKey,
        resolver: (entries) => {
          const { after, filter, tenantId } = entries[0].request
          return reads.withPermit(events.feed(tenantId, { ...filter, after, limit: pageSize })).pipe(
            Effect.exit,
            Effect.map((exit) => entries.forEach((entry) => entry.completeUnsafe(exit)))
          )
        }
      })
      const sleepers = new Map<TenantId, Set<Queue.Queue<void>>>()

      yield* changes.listen((change) => {
        if (change._tag !== "ResourceUpdated" || !change.uri.startsWith(eventUri)) return
        for (const bell of sleepers.get(change.tenantId) ?? []) Queue.offerUnsafe(bell, undefined)
      })

      /** Rings when an event of the tenant changed; however often meanwhile, once. */
      const makeBell = (tenantId: TenantId) =>
        Effect.acquireRelease(
          Effect.gen(function* () {
            const bell = yield* Queue.sliding<void>(1)
            const bells = sleepers.get(tenantId) ?? new Set()
            sleepers.set(tenantId, bells.add(bell))
            return bell
          }),
          (bell) =>
            Effect.sync(() => {
              const bells = sleepers.get(tenantId)
              bells?.delete(bell)
              if (bells?.size === 0) sleepers.delete(tenantId)
            })
        )

      const next = (page: FeedPage, { heldBack }: Position): Position => ({
        cursor: page.cursor,
        isAtEnd: !page.hasMore,
        heldBack: page.isHeldBack ? heldBack + 1 : 0
      })

      const open = Effect.fn("EventFeed.open")(function* (tenantId: TenantId, filter: FeedFilter, after?: string) {
        const read = (cursor: string) => Effect.request(new ReadPage({ tenantId, filter, after: cursor }), pages)
        const cursor = after ?? (yield* events.feedEnd(tenantId))
        // Reads nothing that is shown: what is wrong with a cursor is said before the stream begins.
        if (after !== undefined) yield* events.feed(tenantId, { after, limit: 1 })

        const entries = Stream.unwrap(
          Effect.map(makeBell(tenantId), (bell) => {
            const wait = ({ heldBack, isAtEnd }: Position) =>
              isAtEnd
                ? Effect.timeoutOption(Queue.take(bell), heldBack > 0 ? eventFeedHeldBack(heldBack) : eventFeedPolling)
                : Effect.void
            const start: Position = { cursor, isAtEnd: false, heldBack: 0 }
            return Stream.paginate(start, (position) =>
              Effect.andThen(wait(position), read(position.cursor)).pipe(
                // It was good when the feed was opened.
                Effect.catchTag("@devops-mcp/core/ports/Cursor/CursorError", Effect.die),
                Effect.retry(eventFeedRetry),
                Effect.map((page) => [page.items, Option.some(next(page, position))] as const)
              )
            )
          })
        )
        return { cursor, entries } satisfies OpenFeed
      })

      return EventFeed.of({ open })
    })
  )
}
