import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer } from "effect"
import { Reactivity } from "effect/reactivity"
import * as EmbeddedPostgres from "../../src/embedded/EmbeddedPostgres.ts"
import * as Child from "./Child.ts"

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const open = Effect.fnUntraced(function* (options: EmbeddedPostgres.Options) {
  const context = yield* Layer.build(EmbeddedPostgres.layer(options))
  const database = Context.get(context, EmbeddedPostgres.EmbeddedPostgres)
  const sql = yield* PgClient.make({ stream: database.connect, username: "postgres", ssl: false, maxConnections: 4 })
  return { ...database, sql }
})

const failure = (options: EmbeddedPostgres.Options) => Effect.flip(Effect.scoped(open(options)))

/** A home that was made, filled, dumped and closed. */
class Closed extends Context.Service<
  Closed,
  { readonly home: string; readonly template: string; readonly progress: ReadonlyArray<string> }
>()("@devops-mcp/database/test/embedded/EmbeddedPostgres.test/Closed") {
  static readonly layer = Layer.effect(
    Closed,
    Effect.gen(function* () {
      const home = `${yield* folder}/made/home`
      const template = `${yield* folder}/template.tar`
      const progress: Array<string> = []
      const onProgress = (message: string) => Effect.sync(() => void progress.push(message))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { dump, sql } = yield* open({ directory: home, onProgress })
          yield* sql`CREATE TABLE kept (n int)`
          yield* sql`INSERT INTO kept VALUES (42)`
          yield* dump(template)
        })
      )
      return { home, template, progress }
    })
  )
}

const Fixture = Closed.layer.pipe(Layer.provideMerge(Layer.mergeAll(NodeFileSystem.layer, Reactivity.layer)))

const isAcknowledged = (line: string) => /^\d+$/.test(line)

layer(Fixture, { timeout: "60 seconds", excludeTestServices: true })("EmbeddedPostgres", (it) => {
  it.effect("makes a private home and tells what takes its time", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { home, progress } = yield* Closed
      assert.deepStrictEqual(progress, ["Preparing a new database", "Starting the database"])
      assert.strictEqual((yield* fs.stat(home)).mode & 0o777, 0o700)
      assert.deepStrictEqual(yield* fs.readDirectory(home), ["postgres"])
    })
  )

  it.effect("keeps its data, and gives it to what starts from its template", () =>
    Effect.gen(function* () {
      const { home, template } = yield* Closed
      const reopened = yield* open({ directory: home })
      const copy = yield* open({ directory: undefined, template })
      assert.deepStrictEqual(yield* reopened.sql`SELECT n FROM kept`, [{ n: 42 }])
      assert.deepStrictEqual(yield* copy.sql`SELECT n FROM kept`, [{ n: 42 }])
      assert.deepStrictEqual(yield* copy.sql`SHOW timezone`, [{ TimeZone: "UTC" }])
    })
  )

  it.effect("loses no acknowledged row to kill -9, at whichever moment, and refuses a second owner", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { template } = yield* Closed
      const home = `${yield* folder}/killed`
      for (const moment of ["Preparing a new database", "Starting the database"]) {
        const child = yield* Child.start("writer.ts", home, template)
        yield* Child.takeUntil(child, (line) => line === moment)
        yield* child.kill
      }
      const child = yield* Child.start("writer.ts", home, template)
      const before = yield* Child.takeUntil(child, (line, taken) => isAcknowledged(line) && taken > 200)
      const refusal = yield* failure({ directory: home })
      assert.include(refusal.message, `${home} is in use by process ${child.pid}`)
      const after = yield* child.kill
      const acknowledged = [...before, ...after].filter(isAcknowledged).map(Number)

      const { sql } = yield* open({ directory: home })
      const rows = yield* sql<{ id: number; size: number }>`SELECT id, length(body) AS size FROM written`
      const stored = new Set(rows.map((row) => row.id))
      assert.isAbove(acknowledged.length, 100)
      assert.deepStrictEqual(
        acknowledged.filter((id) => !stored.has(id)),
        []
      )
      assert.isTrue(rows.every((row) => row.size === 2000))
      assert.deepStrictEqual((yield* fs.readDirectory(home)).toSorted(), ["lock", "postgres"])
    })
  )

  it.effect("says what is wrong with a home, a data directory or a template", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { home } = yield* Closed
      const root = yield* folder
      yield* fs.writeFileString(`${root}/file`, "")
      yield* fs.makeDirectory(`${root}/foreign/postgres`, { recursive: true })
      yield* fs.writeFileString(`${root}/foreign/postgres/notes.txt`, "mine")
      yield* fs.copy(home, `${root}/corrupt`)
      yield* fs.truncate(`${root}/corrupt/postgres/global/pg_control`, 10)

      const unwritable = yield* failure({ directory: `${root}/file/home` })
      const foreign = yield* failure({ directory: `${root}/foreign` })
      const template = yield* failure({ directory: `${root}/new`, template: `${root}/file` })
      const corrupt = yield* failure({ directory: `${root}/corrupt` })
      assert.include(unwritable.message, `${root}/file/home cannot be written to`)
      assert.include(foreign.message, `${root}/foreign/postgres cannot be opened (it is not empty and holds no`)
      assert.include(template.message, "the database template holds no database")
      assert.include(corrupt.message, `${root}/corrupt/postgres cannot be opened (could not read file "global/pg_`)
      assert.deepStrictEqual(yield* fs.readDirectory(`${root}/foreign`), ["postgres"])
    })
  )
})
