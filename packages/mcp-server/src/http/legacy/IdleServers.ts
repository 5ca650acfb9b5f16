import type { McpSession } from "@devops-mcp/core/ports/McpSessionRepository"
import { Audit } from "@devops-mcp/core/audit/Audit"
import { mcpIdleServerLifetime } from "@devops-mcp/resilience/Policies"
import { Clock, Duration, Effect, Schedule } from "effect"
import { catchUp, connect, initialize, type MakeServer, type SessionServer } from "./SessionServer.ts"

/** Servers that wait for their session's next request; beyond, the one unused for longest is closed. */
const mostIdleServers = 1_000

/**
 * Servers that are ready for a session but not in use: taken for one exchange and given back after it. They are a cache
 * and nothing more, for any replica makes one from the session's row.
 */
export const makeIdleServers = Effect.fnUntraced(function* (makeServer: MakeServer, onerror: (error: Error) => void) {
  // The order of a map is the order of insertion: the first was given back before all others.
  const idle = new Map<string, { readonly server: SessionServer; readonly since: number }>()

  const remove = Effect.fnUntraced(function* (id: string) {
    const entry = idle.get(id)
    idle.delete(id)
    if (entry !== undefined) yield* entry.server.close
  })

  const fresh = connect(makeServer, yield* Audit, onerror)

  yield* Effect.addFinalizer(() => Effect.forEach([...idle.keys()], remove, { discard: true }))
  yield* Effect.gen(function* () {
    const oldest = (yield* Clock.currentTimeMillis) - Duration.toMillis(mcpIdleServerLifetime)
    for (const [id, { since }] of idle) {
      if (since > oldest) return
      yield* remove(id)
    }
  }).pipe(Effect.repeat(Schedule.spaced(Duration.divideUnsafe(mcpIdleServerLifetime, 5))), Effect.forkScoped)

  return {
    /** Knows no session yet. */
    fresh,
    /** A server at the state of the session, for the taker alone. */
    take: Effect.fnUntraced(function* (session: McpSession) {
      const entry = idle.get(session.id)
      idle.delete(session.id)
      const server = entry?.server ?? (yield* fresh)
      if (entry === undefined) yield* initialize(server, session)
      yield* catchUp(server, session)
      return server
    }),
    give: Effect.fnUntraced(function* (id: string, server: SessionServer) {
      server.receive(undefined)
      yield* remove(id)
      idle.set(id, { server, since: yield* Clock.currentTimeMillis })
      const [first] = idle.keys()
      if (idle.size > mostIdleServers && first !== undefined) yield* remove(first)
    }),
    remove
  }
})
export type IdleServers = Effect.Success<ReturnType<typeof makeIdleServers>>
