import { type Array, type Duration, Effect, FileSystem } from "effect"
import { compare, type Subject } from "./Rounds.ts"
import { awaitIdle, type Settings, startBaseline, startServer, usage } from "./Server.ts"
import { httpGet, makeContext, mcpCall } from "./Targets.ts"

/** Resident bytes of the server. */
export interface Memory {
  readonly afterStart: number
  /** With the context that is read, and with the embedding model that has made it searchable. */
  readonly beforeLoad: number
  readonly afterLoad: number
}

/** What can be asked of the server, each compared with the plain server on its own. */
export type Workload = "mcp" | "http"

/** One server, one workload after the other. */
export const measureUnderLoad = Effect.fnUntraced(function* (
  settings: Settings,
  workloads: ReadonlyArray<Workload>,
  duration: Duration.Duration
) {
  const fs = yield* FileSystem.FileSystem
  const server = yield* startServer(settings, yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-bench-" }))
  const afterStart = yield* usage(server)
  const baseline = yield* startBaseline
  const context = yield* makeContext(server, settings)
  yield* awaitIdle(server)
  const beforeLoad = yield* usage(server)

  const subjects: Record<Workload, Array.NonEmptyReadonlyArray<Subject>> = {
    mcp: [
      { name: "MCP tools/call, 2026-07-28", server, request: mcpCall("modern", server, context) },
      { name: "MCP tools/call, 2025-11-25", server, request: mcpCall("legacy", server, context) }
    ],
    http: [{ name: "GET /api/v1/contexts/{id}", server, request: httpGet(server, context) }]
  }
  const measured = yield* Effect.forEach(workloads, (workload) => compare(baseline, subjects[workload], duration))
  const afterLoad = yield* usage(server)
  const memory: Memory = {
    afterStart: afterStart.residentBytes,
    beforeLoad: beforeLoad.residentBytes,
    afterLoad: afterLoad.residentBytes
  }
  return { measured, memory }
}, Effect.scoped)
