import { type Change, Changes } from "@devops-mcp/core/changes/Changes"
import type { McpSession } from "@devops-mcp/core/ports/McpSessionRepository"
import type { McpSessionId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { sseKeepAlive } from "@devops-mcp/resilience/Policies"
import { Deferred, Effect, Queue, Stream } from "effect"
import { SecureRandom } from "effect/crypto"
import { encodeJson } from "../../edge/Json.ts"
import { eventStream, frame } from "@devops-mcp/infrastructure/Sse"
import { opening, priming } from "./Answering.ts"
import { canBePrimed } from "./LegacyRequest.ts"
import { tooManyRequests } from "./Refusals.ts"
import type { Readers } from "./Readers.ts"
import type { Sessions } from "./Sessions.ts"
import { eventId } from "./WireIds.ts"

/** Streams of one replica at a time. */
const mostListeners = 10_000

/** One client that listens for what changes. */
interface Listener {
  readonly principal: Principal
  subscriptions: ReadonlySet<string>
  /** Not said yet; the same news twice is said once, so there is a bound to them. */
  readonly unsaid: Map<string, string>
  readonly signal: Queue.Queue<void>
}

const lists = {
  ToolsChanged: "notifications/tools/list_changed",
  ResourcesChanged: "notifications/resources/list_changed",
  PromptsChanged: "notifications/prompts/list_changed"
} as const

const updated = (uri: string) =>
  encodeJson({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } })

const changed = (method: string) => encodeJson({ jsonrpc: "2.0", method })

/** What the stream of GET says of a change: a key under which it is said once, and the message. */
const newsOf = (change: Change, subscriptions: ReadonlySet<string>): readonly [string, string] | undefined => {
  if (change._tag === "TaskChanged") return undefined
  if (change._tag !== "ResourceUpdated") return [lists[change._tag], changed(lists[change._tag])]
  return subscriptions.has(change.uri) ? [`uri:${change.uri}`, updated(change.uri)] : undefined
}

/**
 * The stream that a session's client opens with GET: what has changed, of its tenant and what it subscribed to. It is
 * not stored. Who resumes it hears that everything may have changed, which is true: nobody listened in between.
 */
export const makeNews = Effect.fnUntraced(function* (
  sessions: Sessions,
  readers: Readers,
  draining: Effect.Effect<void>
) {
  const random = yield* SecureRandom.SecureRandom
  const listeners = new Map<McpSessionId, Listener>()

  const note = (listener: Listener, news: readonly [string, string] | undefined) => {
    if (news === undefined) return
    listener.unsaid.set(...news)
    Queue.offerUnsafe(listener.signal, undefined)
  }

  const changes = yield* Changes
  yield* changes.listen((change) => {
    for (const listener of listeners.values()) {
      if (listener.principal.tenantId === change.tenantId) note(listener, newsOf(change, listener.subscriptions))
    }
  })

  const update = (listener: Listener, session: McpSession) => {
    listener.subscriptions = new Set(session.subscriptions)
  }

  return {
    /** Reads anew what the session has subscribed to. */
    refresh: Effect.fnUntraced(function* (id: McpSessionId) {
      const listener = listeners.get(id)
      if (listener === undefined) return
      yield* sessions.forget(listener.principal.tenantId, id)
      const session = yield* Effect.option(sessions.find(listener.principal, id))
      if (session._tag === "Some") update(listener, session.value)
    }),
    open: Effect.fn("News.open")(function* (principal: Principal, session: McpSession, resumed: boolean) {
      if (listeners.size >= mostListeners) return yield* tooManyRequests()
      const streamId = yield* random.uuidV4()
      const ended = yield* Deferred.make<void>()
      const { leave } = yield* readers.take(session.id, `news:${session.id}`, () =>
        Deferred.doneUnsafe(ended, Effect.void)
      )
      const listener: Listener = {
        principal,
        subscriptions: new Set(session.subscriptions),
        unsaid: new Map(),
        signal: yield* Queue.sliding<void>(1)
      }
      listeners.set(session.id, listener)
      if (resumed) {
        for (const method of Object.values(lists)) note(listener, [method, changed(method)])
        for (const uri of listener.subscriptions) note(listener, [`uri:${uri}`, updated(uri)])
      }

      let seq = 0
      const id = () => eventId({ streamId, seq: seq++, listening: true })
      const say = Effect.map(Queue.take(listener.signal), () => {
        const messages = [...listener.unsaid.values()]
        listener.unsaid.clear()
        return messages.map((data) => frame({ event: "message", id: id(), data })).join("")
      })
      // A client that listens uses its session; one that has ended without our hearing of it is noticed here.
      const watch = sessions.find(principal, session.id).pipe(
        Effect.map((found) => update(listener, found)),
        Effect.catchIf(
          ({ status }) => status === 404,
          () => Deferred.succeed(ended, undefined)
        ),
        Effect.ignore,
        Effect.repeat(sseKeepAlive)
      )
      const close = Effect.andThen(
        leave,
        Effect.sync(() => {
          if (listeners.get(session.id) === listener) listeners.delete(session.id)
        })
      )
      return eventStream(
        Stream.make(canBePrimed(session.protocolVersion) ? priming(id()) : opening).pipe(
          Stream.concat(Stream.filter(Stream.fromEffectRepeat(say), (text) => text !== "")),
          Stream.interruptWhen(Effect.raceFirst(Deferred.await(ended), draining)),
          Stream.merge(Stream.drain(Stream.fromEffect(watch)), { haltStrategy: "left" }),
          Stream.ensuring(close)
        )
      )
    })
  }
})
export type News = Effect.Success<ReturnType<typeof makeNews>>
