import { Bus } from "@devops-mcp/core/ports/Bus"
import { type McpEvent, McpSessionRepository } from "@devops-mcp/core/ports/McpSessionRepository"
import type { McpSessionId, TenantId } from "@devops-mcp/domain/Ids"
import {
  mcpEventLifetime,
  mcpEventRetry,
  mcpSessionSweeping,
  mcpStreamHeartbeat,
  mcpStreamSilence
} from "@devops-mcp/resilience/Policies"
import { DateTime, Effect, Queue, Stream } from "effect"
import { frame } from "@devops-mcp/infrastructure/Sse"
import { badRequest, storeFailed } from "./Refusals.ts"
import { eventId } from "./WireIds.ts"

/** What is kept of one session's streams; who comes back later than that has to ask again. */
const kept = { events: 1_000, bytes: 8 * 1024 * 1024 }

/** A session is pruned when a stream has brought so much since the last time. */
const pruneAfter = { events: 100, bytes: 1024 * 1024 }

/** Events that a reader takes from the database at a time. */
const pageSize = 100

const channelOf = (streamId: string) => `mcp-stream:${streamId}`

/** An event as it goes over the wire; marks of begin and end are no events. */
export const eventFrame = ({ message, seq, streamId }: McpEvent): string =>
  message === undefined
    ? ""
    : frame({ event: "message", id: eventId({ streamId, seq, listening: false }), data: message })

/** How far a reader is. */
interface State {
  readonly next: number
  readonly over: boolean
  readonly silent: boolean
}

/** The stored events of all sessions: written by the replica where a handler runs, read by whoever resumes. */
export const makeEventLog = Effect.gen(function* () {
  const bus = yield* Bus
  const repository = yield* McpSessionRepository

  const wake = (streamId: string) =>
    bus
      .publish(channelOf(streamId), "")
      .pipe(Effect.catch((error) => Effect.logDebug("Readers of a stream were not woken", error)))

  const open = (tenantId: TenantId, sessionId: McpSessionId, streamId: string) => {
    let grown = { events: 0, bytes: 0 }
    return {
      /** Never fails: a client that is connected gets its events although they cannot be resumed from. */
      append: Effect.fn("EventLog.append")(
        function* (events: ReadonlyArray<McpEvent>) {
          const expiresAt = DateTime.addDuration(yield* DateTime.now, mcpEventLifetime)
          yield* Effect.retry(repository.append(tenantId, sessionId, events, expiresAt), mcpEventRetry)
          yield* wake(streamId)
          grown = {
            events: grown.events + events.length,
            bytes: grown.bytes + events.reduce((sum, { message = "" }) => sum + message.length, 0)
          }
          if (grown.events < pruneAfter.events && grown.bytes < pruneAfter.bytes) return
          grown = { events: 0, bytes: 0 }
          yield* repository.prune(tenantId, sessionId, kept)
        },
        Effect.catch((error) => Effect.logWarning("Events of a stream are not stored", error))
      ),
      /** Tells readers elsewhere, for as long as it runs, that more may come. */
      heartbeat: Effect.repeat(wake(streamId), mcpStreamHeartbeat)
    }
  }

  /** What came after `seq`, and then what comes, until the stream's end or its owner's death. */
  const follow = Effect.fn("EventLog.follow")(function* (
    tenantId: TenantId,
    sessionId: McpSessionId,
    streamId: string,
    seq: number
  ) {
    const read = (from: number) => repository.events(tenantId, sessionId, { streamId, seq: from }, pageSize)
    const [first] = yield* Effect.catch(repository.events(tenantId, sessionId, { streamId, seq }, 1), storeFailed)
    if (first === undefined || first.seq > seq + 1) return yield* badRequest("The stream cannot be resumed from there")

    const start: State = { next: seq + 1, over: first.seq === seq && first.last, silent: false }

    const pages = Effect.gen(function* () {
      const woken = yield* Queue.sliding<void>(1)
      const wakes = yield* Effect.orElseSucceed(bus.subscribe(channelOf(streamId)), () => Stream.empty)
      yield* Effect.forkScoped(Stream.runForEach(wakes, () => Queue.offer(woken, undefined)))

      const page = (state: State): Effect.Effect<readonly [string, State] | undefined> =>
        Effect.gen(function* () {
          if (state.over) return undefined
          const events = yield* read(state.next)
          const [next] = events
          if (next !== undefined) {
            // A gap: what comes next was pruned before this reader saw it.
            if (next.seq !== state.next) return undefined
            const last = events.at(-1) ?? next
            return [events.map(eventFrame).join(""), { next: last.seq + 1, over: last.last, silent: false }] as const
          }
          if (state.silent) return undefined
          const silent = yield* Queue.take(woken).pipe(
            Effect.as(false),
            Effect.timeoutOrElse({ duration: mcpStreamSilence, orElse: () => Effect.succeed(true) })
          )
          return ["", { ...state, silent }] as const
        }).pipe(
          Effect.catch((error) =>
            Effect.as(Effect.logWarning("A stream could not be read; its client will come back", error), undefined)
          )
        )
      return Stream.unfold<State, string, never, never>(start, page)
    })
    return Stream.filter(Stream.unwrap(pages), (text) => text !== "")
  })

  /** Removes what has expired. Any number of replicas may do so at once. */
  const sweep = Effect.flatMap(DateTime.now, repository.sweep).pipe(
    Effect.catch((error) => Effect.as(Effect.logWarning("Expired sessions could not be removed", error), 0))
  )
  yield* Effect.forkScoped(Effect.repeat(sweep, mcpSessionSweeping))

  return { open, follow }
})
export type EventLog = Effect.Success<typeof makeEventLog>
