import { Array, Effect, FileSystem } from "effect"
import { type Spread, spreadOf } from "./Rounds.ts"
import { type Settings, startServer, usage } from "./Server.ts"

/** Starts on a home folder that an earlier start has filled. */
const laterStarts = 2

/** Seconds from the start of the process to its ready line, and its resident memory then. */
export interface StartUp {
  readonly firstSeconds: number
  readonly againSeconds: Spread
  readonly residentBytes: Spread
}

const start = (settings: Settings, home: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* startServer(settings, home)
      const { residentBytes } = yield* usage(server)
      // Asked to stop, it leaves its stores as an ordinary end does, and not as a crash.
      yield* server.signal("SIGTERM")
      return { seconds: server.seconds, residentBytes }
    })
  )

/** A first start on an empty home folder, then some on what it left there. */
export const measureStarts = Effect.fnUntraced(function* (settings: Settings) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-bench-" })
  const first = yield* start(settings, home)
  const again = yield* Effect.forEach(Array.range(1, laterStarts), () => start(settings, home))
  return {
    firstSeconds: first.seconds,
    againSeconds: spreadOf(Array.map(again, ({ seconds }) => seconds)),
    residentBytes: spreadOf(Array.map(again, ({ residentBytes }) => residentBytes))
  } satisfies StartUp
}, Effect.scoped)
