import { ToolFailure } from "@devops-mcp/core/ports/ToolAdapter"
import { gitConcurrency, gitKillGrace, gitLongConcurrency } from "@devops-mcp/resilience/Policies"
import { Config, Context, Effect, Fiber, Layer, Ref, type Scope, Semaphore, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type { Repository } from "./Repositories.ts"

/** What is read of git's standard output before it is ended, and kept of its standard error. */
const maxOutputBytes = 1024 * 1024
const maxErrorBytes = 4096
/** Characters of a line beyond which the rest of it is passed over. */
const maxLine = 4096
/** Stands for the exit code that a process ended by a signal has not. */
const endedBySignal = 255

/** What git wrote. When `truncated` it was ended at the limit and has no exit code of its own: 0 then. */
export interface GitOutput {
  readonly text: string
  readonly truncated: boolean
  readonly exitCode: number
  /** For telling known refusals apart. It may quote files outside the repository and never goes into an answer. */
  readonly errorText: string
}

/**
 * Runs the git program on one repository, read-only. Nothing that a repository's own configuration or attributes name is
 * run, nothing is fetched, nothing is taken from the user's configuration or environment but PATH.
 */
export class Git extends Context.Service<
  Git,
  {
    readonly run: (repository: Repository, args: ReadonlyArray<string>) => Effect.Effect<GitOutput, ToolFailure>
    /** As `run`, and any exit code but 0 is a failure. */
    readonly output: (
      repository: Repository,
      args: ReadonlyArray<string>
    ) => Effect.Effect<Pick<GitOutput, "text" | "truncated">, ToolFailure>
    /**
     * Calls with each line of the output, however much there is; the line must be dealt with at once. For what takes
     * long: it waits for others of its kind only. Any exit code but 0 is a failure.
     */
    readonly lines: (
      repository: Repository,
      args: ReadonlyArray<string>,
      onLine: (line: string) => void
    ) => Effect.Effect<void, ToolFailure>
    /** Fails when there is no usable git program. */
    readonly version: Effect.Effect<string, ToolFailure>
  }
>()("@devops-mcp/adapters/git/Git") {}

/** Settings that would run a program, read a file elsewhere, or change what git prints. */
const settings = [
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "core.attributesFile=/dev/null",
  "core.excludesFile=/dev/null",
  "core.quotePath=false",
  "protocol.allow=never",
  "diff.external=",
  "log.showSignature=false",
  "log.follow=false",
  "gpg.program=/bin/false",
  "mailmap.file="
].flatMap((setting) => ["-c", setting])

/**
 * GIT_DIR turns off git's own search for a repository, GIT_WORK_TREE the repository's `core.worktree`; an empty
 * GIT_ALLOW_PROTOCOL outranks the repository's `protocol.*.allow`, so a partial clone cannot fetch.
 */
const environment = (path: string, repository: Repository | undefined) => ({
  PATH: path,
  LC_ALL: "C.UTF-8",
  TZ: "UTC",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_PAGER: "cat",
  GIT_LITERAL_PATHSPECS: "1",
  GIT_ALLOW_PROTOCOL: "",
  GIT_NO_LAZY_FETCH: "1",
  GIT_DIR: repository?.gitDir,
  GIT_WORK_TREE: repository?.gitDir
})

const decode = (chunks: ReadonlyArray<Uint8Array>, truncated: boolean) => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  return decoder.decode(Buffer.concat(chunks).subarray(0, maxOutputBytes), { stream: truncated })
}

/** Cuts text that comes in pieces into lines; a line's end is told by the line feed or by `end`. */
const lineSplitter = (onLine: (line: string) => void) => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  let rest = ""
  return {
    push: (chunk: Uint8Array) => {
      const lines = decoder.decode(chunk, { stream: true }).split("\n")
      lines[0] = rest + (lines[0] ?? "")
      rest = (lines.pop() ?? "").slice(0, maxLine)
      for (const line of lines) onLine(line.slice(0, maxLine))
    },
    end: () => {
      if (rest !== "") onLine(rest)
    }
  }
}

const make = Effect.gen(function* () {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const slots = yield* Semaphore.make(gitConcurrency)
  const longSlots = yield* Semaphore.make(gitLongConcurrency)
  const inherited = yield* Config.String("PATH").pipe(Config.withDefault("/usr/local/bin:/usr/bin:/bin"))
  // A relative entry would look for git inside the repository.
  const path = inherited
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .join(":")

  const unavailable = () =>
    new ToolFailure({ code: "unavailable", detail: "The git program could not be run on the server", retryable: true })

  const start = (repository: Repository | undefined, args: ReadonlyArray<string>) =>
    spawner.spawn(
      ChildProcess.make("git", ["--no-pager", ...settings, ...args], {
        env: environment(path, repository),
        cwd: repository?.gitDir ?? "/",
        stdin: "ignore",
        forceKillAfter: gitKillGrace
      })
    )

  const collect = Effect.fnUntraced(function* (repository: Repository | undefined, args: ReadonlyArray<string>) {
    const handle = yield* start(repository, args)
    const errors = yield* Ref.make<ReadonlyArray<Uint8Array>>([])
    const errorReader = yield* handle.stderr.pipe(
      Stream.runForEach((chunk) =>
        Ref.update(errors, (kept) => (kept.length < 8 ? [...kept, chunk.subarray(0, maxErrorBytes)] : kept))
      ),
      Effect.forkScoped
    )
    const chunks: Array<Uint8Array> = []
    let size = 0
    yield* handle.stdout.pipe(
      Stream.runForEachWhile((chunk) =>
        Effect.sync(() => {
          chunks.push(chunk)
          size += chunk.length
          return size <= maxOutputBytes
        })
      )
    )
    if (size > maxOutputBytes) {
      return { text: decode(chunks, true), truncated: true, exitCode: 0, errorText: "" }
    }
    const exitCode = yield* handle.exitCode.pipe(Effect.orElseSucceed(() => endedBySignal))
    yield* Fiber.join(errorReader)
    return { text: decode(chunks, false), truncated: false, exitCode, errorText: decode(yield* Ref.get(errors), false) }
  })

  const within = <A, E>(slots: Semaphore.Semaphore, process: Effect.Effect<A, E, Scope.Scope>) =>
    process.pipe(
      Effect.scoped,
      Effect.tapError((cause) => Effect.logWarning("The git program failed to run", cause)),
      Effect.mapError(unavailable),
      Semaphore.withPermit(slots)
    )

  const spawn = (repository: Repository | undefined, args: ReadonlyArray<string>) =>
    within(slots, collect(repository, args))

  const run = Effect.fn("Git.run")(function* (repository: Repository, args: ReadonlyArray<string>) {
    yield* Effect.annotateCurrentSpan({ repository: repository.name, command: args[0] ?? "" })
    return yield* spawn(repository, args)
  })

  const refused = (repository: Repository) =>
    new ToolFailure({
      code: "failed",
      detail: `git could not do this in the repository '${repository.name}'; it may be damaged or incomplete`,
      retryable: false
    })

  const output = Effect.fn("Git.output")(function* (repository: Repository, args: ReadonlyArray<string>) {
    const result = yield* run(repository, args)
    return result.exitCode === 0 ? result : yield* refused(repository)
  })

  const read = Effect.fnUntraced(function* (
    repository: Repository,
    args: ReadonlyArray<string>,
    onLine: (line: string) => void
  ) {
    const handle = yield* start(repository, args)
    yield* Effect.forkScoped(Stream.runDrain(handle.stderr))
    const splitter = lineSplitter(onLine)
    yield* Stream.runForEach(handle.stdout, (chunk) => Effect.sync(() => splitter.push(chunk)))
    splitter.end()
    return yield* handle.exitCode.pipe(Effect.orElseSucceed(() => endedBySignal))
  })

  const lines = Effect.fn("Git.lines")(function* (
    repository: Repository,
    args: ReadonlyArray<string>,
    onLine: (line: string) => void
  ) {
    yield* Effect.annotateCurrentSpan({ repository: repository.name, command: args[0] ?? "" })
    const exitCode = yield* within(longSlots, read(repository, args, onLine))
    if (exitCode !== 0) return yield* refused(repository)
  })

  const version = spawn(undefined, ["version"]).pipe(
    Effect.filterOrFail(({ exitCode }) => exitCode === 0, unavailable),
    Effect.map(({ text }) => text.trim()),
    Effect.withSpan("Git.version")
  )

  return Git.of({ run, output, lines, version })
})

/** The git program found on PATH, at most `gitConcurrency` of them at once, and `gitLongConcurrency` that take long. */
export const layer: Layer.Layer<Git, Config.ConfigError, ChildProcessSpawner.ChildProcessSpawner> = Layer.effect(
  Git,
  make
)
