/** Inserts rows into an embedded database for ever and says which were acknowledged. Arguments: home, template. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect } from "effect"
import { Reactivity } from "effect/reactivity"
import * as EmbeddedPostgres from "../../src/embedded/EmbeddedPostgres.ts"

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const program = Effect.gen(function* () {
  const { connect } = yield* EmbeddedPostgres.EmbeddedPostgres
  const sql = yield* PgClient.make({ stream: connect, username: "postgres", ssl: false, maxConnections: 4 })
  yield* sql`CREATE TABLE written (id int PRIMARY KEY, body text)`
  const write = (id: number) => sql`INSERT INTO written VALUES (${id}, ${"x".repeat(2000)})`
  const writer = Effect.fnUntraced(function* (first: number) {
    for (let id = first; ; id += 4) yield* Effect.andThen(write(id), say(`${id}`))
  })
  yield* Effect.forEach([0, 1, 2, 3], writer, { concurrency: 4, discard: true })
})

const database = EmbeddedPostgres.layer({
  directory: process.argv[2],
  template: process.argv[3],
  onProgress: (message) => say(message)
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide([database, Reactivity.layer])))
