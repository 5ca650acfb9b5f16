import { Duration, Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** Longest that one command of a suite may take. */
const commandTimeout = Duration.minutes(5)

/** Runs a Node program on the same Node to its end. It is stopped when it takes too long, and says so. */
export const runNode = Effect.fnUntraced(
  function* (args: ReadonlyArray<string>, env: Record<string, string> = {}) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const child = yield* spawner.spawn(
      ChildProcess.make(process.execPath, args, { env, extendEnv: true, stdin: "ignore", forceKillAfter: "2 seconds" })
    )
    const text = (stream: typeof child.stdout) => Stream.mkString(Stream.decodeText(stream))
    const [stdout, stderr, exitCode] = yield* Effect.all([text(child.stdout), text(child.stderr), child.exitCode], {
      concurrency: "unbounded"
    })
    return { stdout, stderr, exitCode: Number(exitCode) }
  },
  Effect.scoped,
  Effect.timeoutOrElse({
    duration: commandTimeout,
    orElse: () => Effect.succeed({ stdout: "", stderr: "It took too long and was stopped", exitCode: -1 })
  })
)
