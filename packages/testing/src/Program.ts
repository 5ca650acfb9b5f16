import { Deferred, Effect, Exit, Schema } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** The checkout itself: a real repository for the git tool, and where programs are started. */
export const checkout = root

/** Variables of a program that are secrets or addresses with one in them. */
const secretName = /KEYS?$|SECRET|TOKEN|PASSWORD|URL$/

/** The program ended, or did not say what was waited for. */
export class ProgramEnded extends Schema.TaggedError<ProgramEnded>()("@devops-mcp/testing/Program/ProgramEnded", {
  code: Schema.Unknown,
  stdout: Schema.String,
  stderr: Schema.String
}) {
  override get message() {
    return `The program ended with ${String(this.code)}\n${this.stdout}\n${this.stderr}`
  }
}

/**
 * Runs `devops-mcp` as its users do: another process, on an environment that holds only what is given. It is killed
 * with the scope. Waiting is on its output and its end, never on time. Another `file` is a test's variant of a program.
 * The watch of the run knows the secrets of its environment from then on.
 */
export const runProgram = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  env: Record<string, string>,
  file = `${root}/packages/cli/bin/devops-mcp.js`
) {
  const ended = yield* Deferred.make<number | NodeJS.Signals>()
  const output = { stdout: "", stderr: "" }
  for (const [name, value] of Object.entries(env)) {
    if (secretName.test(name)) globalThis.runWatch?.guardValue(name, value)
  }
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [file, ...args], {
        cwd: env["PWD"] ?? root,
        env: { PATH: process.env["PATH"] ?? "", ...env }
      })
    ),
    (process_) =>
      Effect.andThen(
        Effect.sync(() => process_.kill("SIGKILL")),
        Deferred.await(ended)
      )
  )
  const listeners = new Set<() => void>()
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text
      for (const listener of listeners) listener()
    })
  }
  child.on("close", (code, signal) => {
    Deferred.doneUnsafe(ended, Exit.succeed(code ?? signal ?? -1))
    for (const listener of listeners) listener()
  })

  const ending = () => new ProgramEnded({ code: child.exitCode ?? child.signalCode, ...output })

  /** What the pattern's first group matched in the standard output, as soon as it is there. */
  const line = (pattern: RegExp) =>
    Effect.callback<string, ProgramEnded>((resume) => {
      const look = () => {
        const found = pattern.exec(output.stdout)?.[1]
        if (found !== undefined) resume(Effect.succeed(found))
        else if (child.exitCode !== null || child.signalCode !== null) resume(Effect.fail(ending()))
        else return
        listeners.delete(look)
      }
      listeners.add(look)
      look()
      return Effect.sync(() => listeners.delete(look))
    })

  return {
    child,
    output,
    line,
    /** Exit code, or the signal that ended it. */
    ended: Deferred.await(ended),
    signal: (signal: NodeJS.Signals) =>
      Effect.andThen(
        Effect.sync(() => child.kill(signal)),
        Deferred.await(ended)
      )
  }
})

/** A running `start` with an address to call and a key. */
export const runStart = Effect.fnUntraced(function* (env: Record<string, string>) {
  const program = yield* runProgram(["start"], { PORT: "0", LOG_LEVEL: "warn", ...env })
  const url = yield* program.line(/MCP +(http\S+)\/mcp\n/)
  return { ...program, url }
})
