import { Deferred, Effect, Queue } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** A real process running one of the scripts of this folder; ended with the scope. */
export interface Child {
  readonly pid: number
  /** What it writes to standard output. */
  readonly lines: Queue.Dequeue<string>
  readonly tell: (line: string) => void
  /** Ends it as the kernel would, without a last word, and gives the lines that were still on their way. */
  readonly kill: Effect.Effect<ReadonlyArray<string>>
}

export const start = Effect.fnUntraced(function* (script: string, ...args: ReadonlyArray<string>) {
  const lines = yield* Queue.unbounded<string>()
  const closed = yield* Deferred.make<void>()
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "inherit"] })
  createInterface({ input: child.stdout }).on("line", (line) => Queue.offerUnsafe(lines, line))
  child.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
  const kill = Effect.sync(() => child.kill("SIGKILL")).pipe(
    Effect.andThen(Deferred.await(closed)),
    Effect.andThen(Queue.clear(lines))
  )
  yield* Effect.addFinalizer(() => kill)
  const result: Child = { pid: child.pid ?? 0, lines, tell: (line) => child.stdin.write(`${line}\n`), kill }
  return result
})

/** Takes lines until one passes. */
export const takeUntil = Effect.fnUntraced(function* (child: Child, accept: (line: string, taken: number) => boolean) {
  const taken: Array<string> = []
  do taken.push(yield* Queue.take(child.lines))
  while (!accept(taken.at(-1) ?? "", taken.length))
  return taken
})
