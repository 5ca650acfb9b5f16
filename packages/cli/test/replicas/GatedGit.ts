import { listening } from "@devops-mcp/testing/Peers"
import { Effect, FileSystem, Path, Queue } from "effect"
import { createServer, type Socket } from "node:net"

/** Counting a history: the one command that is held. Its connection to the test ends with it. */
const script = (port: number) => `#!/bin/bash
case " $* " in
  *" --numstat "*)
    exec 3<>/dev/tcp/127.0.0.1/${port} || exit 1
    read -r _ <&3 || exit 1
    exec 3<&- ;;
esac
PATH=\${PATH#*:} exec git "$@"
`

/** A `git` that waits for leave. */
export interface HeldGit {
  readonly go: Effect.Effect<void>
  /** When it was ended without leave. */
  readonly killed: Effect.Effect<void>
}

/**
 * A `git` program in front of the real one, for `PATH`: it tells when it starts to count a history, and then waits, so
 * that a test can do something while a task runs.
 */
export const makeGatedGit = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-git-" })
  const started = yield* Queue.unbounded<HeldGit>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
    socket.on("error", () => socket.destroy())
    socket.resume()
    Queue.offerUnsafe(started, {
      go: Effect.sync(() => void socket.write("\n")),
      killed: Effect.promise(() => closed)
    })
  })
  const port = yield* listening(server)
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  const program = path.join(folder, "git")
  yield* fs.writeFileString(program, script(port))
  yield* fs.chmod(program, 0o755)
  return { folder, started: Queue.take(started) }
})
