import { gitActionTimeout, gitConcurrency } from "@devops-mcp/resilience/Policies"
import { makeEmpty } from "@devops-mcp/testing/GitRepository"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, layer } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Fiber, FileSystem, Layer } from "effect"
import { TestClock } from "effect/testing"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { Git, layer as gitLayer } from "../../src/git/Git.ts"
import { GitAdapter, layerRoots } from "../../src/git/GitAdapter.ts"
import { call, failure } from "./Call.ts"

/** The adapter with a git program of ours that tells its process id through a pipe and then never ends. */
const stuckGit = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const { parent } = yield* makeEmpty()
  const pipe = `${parent}/pid`
  yield* spawner.string(ChildProcess.make("mkfifo", [pipe], { extendEnv: true }))
  yield* fs.makeDirectory(`${parent}/.bin`)
  yield* fs.writeFileString(`${parent}/.bin/git`, `#!/bin/sh\necho $$ > ${pipe}\nexec /bin/sleep 600\n`)
  yield* fs.chmod(`${parent}/.bin/git`, 0o755)
  const isRunning = (pid: string) =>
    spawner
      .exitCode(ChildProcess.make("/bin/sh", ["-c", `kill -0 ${pid}`], { stderr: "ignore" }))
      .pipe(Effect.map((code) => code === 0))
  const adapter = layerRoots([parent]).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PATH: `relative:${parent}/.bin` })))
  )
  return { adapter, isRunning, pid: Effect.map(fs.readFileString(pipe), (text) => text.trim()) }
})

layer(NodeServices.layer)("git's bounds in time", (it) => {
  it.effect("ends a git that takes too long, and says so", () =>
    Effect.gen(function* () {
      const { adapter, isRunning, pid } = yield* stuckGit
      const fiber = yield* failure("log", {}).pipe(Effect.provide(adapter), Effect.forkChild)
      const started = yield* pid
      expect(yield* isRunning(started)).toBe(true)
      yield* TestClock.adjust(gitActionTimeout)
      expect(yield* Fiber.join(fiber)).toMatchObject({ code: "timeout", retryable: true })
      expect(yield* isRunning(started)).toBe(false)
    })
  )

  it.effect("ends git when the caller goes away", () =>
    Effect.gen(function* () {
      const { adapter, isRunning, pid } = yield* stuckGit
      const fiber = yield* call("log", {}).pipe(Effect.provide(adapter), Effect.forkChild)
      const started = yield* pid
      yield* Fiber.interrupt(fiber)
      expect(yield* isRunning(started)).toBe(false)
    })
  )

  it.effect("runs no more git processes at once than it may", () =>
    Effect.gen(function* () {
      let started = 0
      const spawner = Layer.succeed(
        ChildProcessSpawner.ChildProcessSpawner,
        ChildProcessSpawner.make(() =>
          Effect.andThen(
            Effect.sync(() => started++),
            Effect.never
          )
        )
      )
      const repository = { name: "any", gitDir: "/any", bare: true, branch: null }
      const context = yield* Layer.build(gitLayer.pipe(Layer.provide(spawner)))
      const git = Context.get(context, Git)
      const fibers = yield* Effect.forEach(Array.from({ length: gitConcurrency * 2 }), () =>
        Effect.forkChild(git.run(repository, ["log"]))
      )
      yield* TestClock.adjust("1 second")
      expect(started).toBe(gitConcurrency)
      yield* Effect.forEach(fibers.slice(0, 2), Fiber.interrupt)
      yield* TestClock.adjust("1 second")
      expect(started).toBe(gitConcurrency + 2)
    })
  )

  it.effect("says that git is missing", () =>
    Effect.gen(function* () {
      const { parent } = yield* makeEmpty()
      const adapter = layerRoots([parent]).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PATH: `${parent}/nothing` })))
      )
      const health = Effect.flatMap(GitAdapter, ({ health }) => health({}))
      expect(yield* Effect.flip(health).pipe(Effect.provide(adapter))).toMatchObject({ code: "unavailable" })
    })
  )
})

layer(NodeServices.layer, { excludeTestServices: true })("git's bounds in size", (it) => {
  it.effect("cuts long texts, patches and searches, and says so", () =>
    Effect.gen(function* () {
      const { commit, parent, write } = yield* makeEmpty()
      yield* write("small.txt", "small\n")
      yield* commit("Small")
      yield* write(
        "long.txt",
        Array.from({ length: 60_000 }, (_, line) => `needle number ${line + 1} in the hay\n`).join("")
      )
      yield* write("wide.txt", "ü".repeat(700_000))
      yield* write("zzz.txt", "after the large ones\n")
      const many = Array.from({ length: 30 }, (_, index) => `many/${index}.txt`)
      yield* Effect.forEach(many, (name) => write(name, "x\n"))
      yield* commit("Large", { date: "2026-01-02T10:00:00Z" })

      yield* Effect.gen(function* () {
        const long = yield* call("file", { path: "long.txt", startLine: 100, endLine: 50_000 })
        expect(long).toMatchObject({ startLine: 100, endLine: 1099, nextLine: 1100, truncated: true })
        expect(long.content.startsWith("needle number 100 in the hay\n")).toBe(true)
        expect(long.content.endsWith("needle number 1099 in the hay\n")).toBe(true)
        const wide = yield* call("file", { path: "wide.txt" })
        expect(wide.truncated).toBe(true)
        expect(wide.content).toBe(`${"ü".repeat(50_000)}…`)

        const shown = yield* call("show", { limit: 200 })
        const files = new Map<string, { patch: string; truncated?: boolean }>(
          shown.files.map((file: { path: string }) => [file.path, file])
        )
        expect(shown.truncated).toBe(true)
        expect(shown.stats).toEqual({ files: 33, additions: 60_032, deletions: 0 })
        expect(files.get("long.txt")?.truncated).toBe(true)
        expect(files.get("long.txt")?.patch.endsWith("in the hay\n")).toBe(true)
        expect(shown.files.reduce((sum: number, file: { patch: string }) => sum + file.patch.length, 0)).toBeLessThan(
          100_001
        )
        expect((yield* call("show", { path: "zzz.txt" })).files[0].patch).toContain("+after the large ones")
        const few = yield* call("show", { path: "many", limit: 20 })
        expect(few.files).toHaveLength(20)
        expect(few).toMatchObject({ truncated: true, stats: { files: 30 } })

        const found = yield* call("grep", { pattern: "needle", limit: 200 })
        expect(found.matches).toHaveLength(200)
        expect(found).toMatchObject({ truncated: true, nextCursor: "200" })
        const blamed = yield* call("blame", { path: "long.txt", startLine: 59_999 })
        expect(blamed.lines.map(({ line }: { line: number }) => line)).toEqual([59_999, 60_000])
        expect(yield* call("blame", { path: "long.txt" })).toMatchObject({ nextLine: 201 })
      }).pipe(Effect.provide(layerRoots([parent])))
    })
  )

  it.effect("refuses a limit beyond the bound", () =>
    Effect.gen(function* () {
      const { parent } = yield* makeEmpty()
      for (const limit of [0, 201, 1.5, -1]) {
        const refused = yield* failure("log", { limit }).pipe(Effect.provide(layerRoots([parent])))
        expect(refused.code).toBe("invalid_arguments")
      }
    })
  )
})
