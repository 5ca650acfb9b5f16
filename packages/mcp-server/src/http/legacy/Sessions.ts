import { Audit } from "@devops-mcp/core/audit/Audit"
import { type McpSession, McpSessionRepository } from "@devops-mcp/core/ports/McpSessionRepository"
import { StoreError } from "@devops-mcp/core/ports/StoreError"
import { McpSessionId, type TenantId } from "@devops-mcp/domain/Ids"
import type { Principal } from "@devops-mcp/domain/Principal"
import { RequestId } from "@devops-mcp/observability/RequestContext"
import { mcpSessionCaching, mcpSessionLifetime, mcpSessionTouching } from "@devops-mcp/resilience/Policies"
import { Cache, Clock, DateTime, Duration, Effect, Exit, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import type { Subscriptions } from "../../edge/Caller.ts"
import { sessionNotFound, storeFailed } from "./Refusals.ts"
import type { SessionBus } from "./SessionBus.ts"

/** Sessions of one caller; one more ends the one that was idle for longest. */
const sessionsPerCaller = 1_000

/** Resources that one session subscribes to. */
const subscriptionsPerSession = 1_000

const longestUri = 2_000

/** Sessions whose rows are remembered at a time. */
const cachedSessions = 10_000

const isSessionId = Schema.is(McpSessionId)

/** Whose a session is within its tenant. */
const ownerOf = ({ actor, credential }: Principal) => `${credential}:${actor}`

const keyOf = (tenantId: TenantId, id: McpSessionId) => `${tenantId}/${id}`

/**
 * The sessions themselves, in the database and remembered for a second. Only the tenant's same actor can use one; for
 * everybody else it is not there.
 */
export const makeSessions = Effect.fnUntraced(function* (bus: SessionBus) {
  const repository = yield* McpSessionRepository
  const audit = yield* Audit
  const random = yield* SecureRandom.SecureRandom

  const rows = yield* Cache.makeWith(
    (key: string) => {
      const [tenantId = "", id = ""] = key.split("/")
      return Effect.flatMap(DateTime.now, (now) =>
        // Both were typed when the key was made.
        repository.get(tenantId as TenantId, id as McpSessionId, now)
      )
    },
    {
      capacity: cachedSessions,
      timeToLive: (exit) => (Exit.isSuccess(exit) ? mcpSessionCaching : Duration.zero)
    }
  )
  const forget = (tenantId: TenantId, id: McpSessionId) => Cache.invalidate(rows, keyOf(tenantId, id))

  /** A UUID's shape with 128 random bits: the id is half of what it takes to use the session. */
  const newId = Effect.map(random.randomBytes(16), (bytes) =>
    McpSessionId.make(
      Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
        .join("")
        .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
    )
  )

  /** Keeps a session that is in use from expiring. */
  const touch = Effect.fnUntraced(function* (tenantId: TenantId, { expiresAt, id }: McpSession) {
    const now = yield* DateTime.now
    const left = Duration.subtract(mcpSessionLifetime, mcpSessionTouching)
    if (DateTime.isGreaterThan(expiresAt, DateTime.addDuration(now, left))) return
    yield* repository.extend(tenantId, id, DateTime.addDuration(now, mcpSessionLifetime))
    yield* forget(tenantId, id)
  })

  const changed = Effect.fnUntraced(function* (tenantId: TenantId, sessionId: McpSessionId) {
    yield* forget(tenantId, sessionId)
    yield* bus.tell({ _tag: "Changed", tenantId, sessionId })
  })

  /** Puts it on record that a session begins or ends. Not which: its id is half of what it takes to use it. */
  const recorded = <A, E>(principal: Principal, action: string, effect: Effect.Effect<A, E>) =>
    Effect.flatMap(Clock.currentTimeMillis, (startedAt) =>
      Effect.onExit(
        effect,
        Effect.fnUntraced(function* (exit) {
          yield* audit.record({
            principal,
            action,
            outcome: Exit.isSuccess(exit) ? "ok" : "failed",
            changes: true,
            requestId: yield* RequestId,
            durationMs: (yield* Clock.currentTimeMillis) - startedAt
          })
        })
      )
    )

  return {
    forget,
    create: Effect.fn("Sessions.create")(function* (
      principal: Principal,
      initialize: Schema.JsonObject,
      protocolVersion: string
    ) {
      const now = yield* DateTime.now
      const session: McpSession = {
        id: yield* newId,
        owner: ownerOf(principal),
        initialize,
        protocolVersion,
        subscriptions: [],
        createdAt: now,
        expiresAt: DateTime.addDuration(now, mcpSessionLifetime)
      }
      yield* recorded(
        principal,
        "mcp.initialize",
        repository.create(principal.tenantId, session, sessionsPerCaller).pipe(Effect.catch(storeFailed))
      )
      return session
    }),
    /** The caller's session, which is used by that. */
    find: Effect.fn("Sessions.find")(
      function* (principal: Principal, id: string) {
        if (!isSessionId(id)) return yield* sessionNotFound()
        const session = yield* Cache.get(rows, keyOf(principal.tenantId, id))
        if (session.owner !== ownerOf(principal)) return yield* sessionNotFound()
        yield* touch(principal.tenantId, session)
        return session
      },
      Effect.catchTags({
        "@devops-mcp/domain/Errors/NotFound": () => Effect.fail(sessionNotFound()),
        "@devops-mcp/core/ports/StoreError": storeFailed
      })
    ),
    end: Effect.fn("Sessions.end")(function* (principal: Principal, id: McpSessionId) {
      const { tenantId } = principal
      yield* recorded(principal, "mcp.end_session", repository.end(tenantId, id).pipe(Effect.catch(storeFailed)))
      yield* forget(tenantId, id)
      yield* bus.tell({ _tag: "Ended", tenantId, sessionId: id })
    }),
    setLogLevel: Effect.fn("Sessions.setLogLevel")(function* (
      { tenantId }: Principal,
      id: McpSessionId,
      level: string
    ) {
      yield* repository.setLogLevel(tenantId, id, level)
      yield* changed(tenantId, id)
    }),
    subscriptionsOf: ({ tenantId }: Principal, id: McpSessionId, onChange: Effect.Effect<void>): Subscriptions => ({
      add: Effect.fn("Sessions.subscribe")(function* (uri) {
        const added =
          uri.length <= longestUri && (yield* repository.subscribe(tenantId, id, uri, subscriptionsPerSession))
        if (!added) {
          return yield* new StoreError({
            operation: "subscribe",
            retryable: false,
            cause: new Error(`A session has at most ${subscriptionsPerSession} subscriptions`)
          })
        }
        yield* changed(tenantId, id)
        yield* onChange
      }),
      remove: Effect.fn("Sessions.unsubscribe")(function* (uri) {
        yield* repository.unsubscribe(tenantId, id, uri)
        yield* changed(tenantId, id)
        yield* onChange
      })
    })
  }
})
export type Sessions = Effect.Success<ReturnType<typeof makeSessions>>
