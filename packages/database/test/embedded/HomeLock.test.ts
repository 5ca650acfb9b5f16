import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Queue, Result } from "effect"
import * as HomeLock from "../../src/embedded/HomeLock.ts"
import * as Child from "./Child.ts"

const home = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const lockOf = (directory: string) => `${directory}/lock`

const writeLock = Effect.fnUntraced(function* (directory: string, text: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(lockOf(directory), text)
})

const left = (directory: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readDirectory(directory))

/** Leaves the lock of a process that was killed while it held it. */
const leaveDeadLock = Effect.fnUntraced(function* (directory: string) {
  const child = yield* Child.start("contender.ts", directory)
  yield* Child.takeUntil(child, (line) => line === "ready")
  child.tell("go")
  yield* Child.takeUntil(child, (line) => line === "won")
  yield* child.kill
  return child.pid
})

layer(NodeFileSystem.layer, { excludeTestServices: true })("HomeLock", (it) => {
  it.effect("is there while held and gone afterwards", () =>
    Effect.gen(function* () {
      const directory = yield* home
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* HomeLock.hold(directory)
          assert.deepStrictEqual(yield* left(directory), ["lock"])
        })
      )
      assert.deepStrictEqual(yield* left(directory), [])
    })
  )

  it.effect("refuses a second holder and names the first", () =>
    Effect.gen(function* () {
      const directory = yield* home
      yield* HomeLock.hold(directory)
      const error = yield* Effect.flip(HomeLock.hold(directory))
      assert.include(error.message, `${directory} is in use by process ${process.pid}`)
      assert.deepStrictEqual(yield* left(directory), ["lock"])
    })
  )

  it.effect("says so when the folder cannot be written to", () =>
    Effect.gen(function* () {
      const directory = yield* home
      const error = yield* Effect.flip(HomeLock.hold(`${directory}/missing`))
      assert.strictEqual(error._tag, "@devops-mcp/database/embedded/Errors/HomeNotWritable")
    })
  )

  it.effect("takes the place of an owner whose pid has passed to another process", () =>
    Effect.gen(function* () {
      const directory = yield* home
      yield* writeLock(directory, `{"pid":${process.pid},"started":"another boot/1","token":"old"}`)
      yield* HomeLock.hold(directory)
      assert.deepStrictEqual(yield* left(directory), ["lock"])
    })
  )

  it.effect("takes the place of what a power failure left", () =>
    Effect.gen(function* () {
      const directory = yield* home
      yield* writeLock(directory, "")
      yield* HomeLock.hold(directory)
      assert.deepStrictEqual(yield* left(directory), ["lock"])
    })
  )

  it.effect("takes over from a stealer that died half way", () =>
    Effect.gen(function* () {
      const directory = yield* home
      const fs = yield* FileSystem.FileSystem
      yield* writeLock(directory, `{"pid":${process.pid},"started":"another boot/1","token":"first"}`)
      yield* fs.writeFileString(
        `${lockOf(directory)}.after-first`,
        `{"pid":${process.pid},"started":"another boot/2","token":"second"}`
      )
      yield* HomeLock.hold(directory)
      const error = yield* Effect.flip(HomeLock.hold(directory))
      assert.strictEqual(error._tag, "@devops-mcp/database/embedded/Errors/HomeInUse")
    })
  )

  it.effect("gives up a claim when another stealer has been quicker meanwhile", () =>
    Effect.gen(function* () {
      const directory = yield* home
      const fs = yield* FileSystem.FileSystem
      yield* writeLock(directory, `{"pid":${process.pid},"started":"another boot/1","token":"old"}`)
      const overtake = fs.writeFileString(lockOf(directory), `{"pid":${process.ppid},"started":null,"token":"new"}`)
      const overtaken = FileSystem.FileSystem.of({
        ...fs,
        link: (from, to) =>
          Effect.andThen(to.includes(".after-") ? Effect.orDie(overtake) : Effect.void, fs.link(from, to))
      })
      const attempt = Effect.provideService(HomeLock.hold(directory), FileSystem.FileSystem, overtaken)
      const error = yield* Effect.flip(attempt)
      assert.include(error.message, `process ${process.ppid}`)
      assert.deepStrictEqual(yield* left(directory), ["lock"])
    })
  )

  it.effect("is won by exactly one of many fibers that steal at once", () =>
    Effect.gen(function* () {
      const directory = yield* home
      yield* writeLock(directory, `{"pid":${process.pid},"started":"another boot/1","token":"old"}`)
      const attempts = Array.from({ length: 24 }, () => Effect.result(HomeLock.hold(directory)))
      const results = yield* Effect.all(attempts, { concurrency: "unbounded" })
      assert.strictEqual(results.filter(Result.isSuccess).length, 1)
      assert.deepStrictEqual(yield* left(directory), ["lock"])
    })
  )

  it.effect("is won by exactly one of several processes when its owner was killed", () =>
    Effect.gen(function* () {
      const directory = yield* home
      const dead = yield* leaveDeadLock(directory)
      const contenders = yield* Effect.all(Array.from({ length: 5 }, () => Child.start("contender.ts", directory)))
      yield* Effect.forEach(contenders, (child) => Child.takeUntil(child, (line) => line === "ready"))
      for (const child of contenders) child.tell("go")
      const outcomes = yield* Effect.forEach(contenders, (child) => Queue.take(child.lines))
      assert.strictEqual(outcomes.filter((outcome) => outcome === "won").length, 1)
      assert.notInclude(outcomes, `lost to ${dead}`)
    })
  )
})
