import { type Duration, Effect, FileSystem } from "effect"
import { makeProfiling, profile } from "./Profile.ts"
import { compare, type Subject } from "./Rounds.ts"
import { awaitIdle, type Server, type Settings, startBareSdk, startBaseline, startServer, usage } from "./Server.ts"
import {
  type BenchContext,
  contextGet,
  describe,
  endpoint,
  httpGet,
  makeContext,
  modernCall,
  openSessions,
  resultOf,
  webSocketCall
} from "./Targets.ts"

/** Resident bytes of a server. */
export interface Memory {
  readonly name: string
  readonly ready: number
  /** Ours then has the context that is read, and the embedding model that has made it searchable. */
  readonly beforeLoad: number
  readonly afterLoad: number
}

/** What can be asked of the server, each compared with the plain server on its own. */
export type Workload = "mcp" | "http"

const residentBytes = (server: Server) => Effect.map(usage(server), ({ residentBytes }) => residentBytes)

/** Our server, ready to be called. */
export const prepare = Effect.fnUntraced(function* (
  settings: Settings,
  profiling: Readonly<Record<string, string>> = {}
) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-bench-" })
  const server = yield* startServer(settings, home, profiling)
  const ready = yield* residentBytes(server)
  const context = yield* makeContext(server, settings)
  yield* awaitIdle(server)
  return { server, context, ready }
})

/** The SDK's server, with a tool that returns the same as ours. */
export const startBare = Effect.fnUntraced(function* (
  ours: Server,
  { key }: BenchContext,
  profiling: Readonly<Record<string, string>> = {}
) {
  return yield* startBareSdk(yield* resultOf(endpoint(ours, "/mcp", key), describe), profiling)
})

/** The same tool of the SDK's server and of ours, by every way there; then one of ours that reads the database. */
const mcpSubjects = Effect.fnUntraced(function* (server: Server, context: BenchContext, bare: Server) {
  const ours = endpoint(server, "/mcp", context.key)
  const webSocket = endpoint(server, "/mcp/ws", context.key)
  const session = yield* openSessions(ours)
  const bareSession = yield* openSessions(endpoint(bare, "/sessions"))
  const bareModern = modernCall(endpoint(bare, "/mcp"), describe)
  const read = contextGet(context)
  return {
    bareModern: { name: "bare SDK v2, 2026-07-28", server: bare, requests: [bareModern] },
    bareSession: { name: "bare SDK v2, 2025-11-25", server: bare, requests: bareSession(describe) },
    modern: { name: "tools_describe, 2026-07-28", server, requests: [modernCall(ours, describe)] },
    session: { name: "tools_describe, 2025-11-25", server, requests: session(describe) },
    webSocket: { name: "tools_describe, WebSocket", server, requests: [webSocketCall(webSocket, describe)] },
    readModern: { name: "context_get, 2026-07-28", server, requests: [modernCall(ours, read)] },
    readSession: { name: "context_get, 2025-11-25", server, requests: session(read) },
    readWebSocket: { name: "context_get, WebSocket", server, requests: [webSocketCall(webSocket, read)] }
  } satisfies Record<string, Subject>
})

/** One server of each kind, one workload after the other. */
export const measureUnderLoad = Effect.fnUntraced(function* (
  settings: Settings,
  workloads: ReadonlyArray<Workload>,
  duration: Duration.Duration
) {
  const { context, ready, server } = yield* prepare(settings)
  const baseline = yield* startBaseline
  const bare = workloads.includes("mcp") ? yield* startBare(server, context) : undefined
  const servers: ReadonlyArray<{ readonly name: string; readonly server: Server; readonly ready?: number }> = [
    { name: "plain node:http", server: baseline },
    ...(bare === undefined ? [] : [{ name: "bare SDK v2", server: bare }]),
    { name: "ours", server, ready }
  ]
  const before = yield* Effect.forEach(servers, (each) =>
    Effect.map(residentBytes(each.server), (beforeLoad) => ({ ready: beforeLoad, ...each, beforeLoad }))
  )

  const http: Subject = { name: "GET /api/v1/contexts/{id}", server, requests: [httpGet(server, context)] }
  const measured = yield* Effect.forEach(
    workloads,
    Effect.fnUntraced(function* (workload) {
      if (workload === "http" || bare === undefined) return yield* compare(baseline, [http], duration)
      const { bareModern, ...others } = yield* mcpSubjects(server, context, bare)
      return yield* compare(baseline, [bareModern, ...Object.values(others)], duration, bareModern)
    })
  )
  const memory = yield* Effect.forEach(before, ({ server, ...each }) =>
    Effect.map(residentBytes(server), (afterLoad): Memory => ({ ...each, afterLoad }))
  )
  return { measured, memory }
}, Effect.scoped)

/** Where the time of the requests goes, on servers of their own, because sampling costs something as well. */
export const measureBreakdowns = Effect.fnUntraced(function* (settings: Settings, duration: Duration.Duration) {
  const profiling = yield* makeProfiling
  const { context, server } = yield* prepare(settings, profiling.env)
  const bareProfiling = yield* makeProfiling
  const bare = yield* startBare(server, context, bareProfiling.env)
  const { bareModern, modern, readModern, session, webSocket } = yield* mcpSubjects(server, context, bare)
  return yield* Effect.forEach([bareModern, modern, session, webSocket, readModern], (subject) =>
    profile(subject, subject.server === bare ? bareProfiling.folder : profiling.folder, duration)
  )
}, Effect.scoped)
