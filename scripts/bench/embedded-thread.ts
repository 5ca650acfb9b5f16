/**
 * Where should PGlite run? Compares the main thread with a worker thread: queries a second, and how long the event loop
 * of the main thread stands still meanwhile. Run: `node scripts/bench/embedded-thread.ts [template.tgz]`
 */
import { PGlite } from "@electric-sql/pglite"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Console, Context, Effect, Layer, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Duplex } from "node:stream"
import * as EmbeddedPostgres from "../../packages/database/src/embedded/EmbeddedPostgres.ts"
import { type Backend, Gateway, type Peer } from "../../packages/database/src/embedded/Gateway.ts"

type Connect = () => Duplex

const seconds = (nanoseconds: bigint) => Number(nanoseconds) / 1e9

/** The gateway on this thread, without a message port in between. */
const onMainThread: Effect.Effect<Connect, never, Scope.Scope> = Effect.gen(function* () {
  const database = yield* Effect.promise(() => PGlite.create("memory://"))
  const backend: Backend = {
    execute: (message, onRawData) => database.execProtocolRawStream(message, { syncToFs: false, onRawData })
  }
  const gateway = yield* Effect.acquireRelease(
    Effect.promise(() => Gateway.open(backend)),
    (gateway) => Effect.promise(() => gateway.close(() => database.close()))
  )
  return () => {
    const peer: Peer = {
      send: (frames) => {
        for (const frame of frames) stream.push(frame)
      },
      drained: () => undefined,
      end: () => stream.destroy()
    }
    const connection = gateway.connect(peer)
    const stream = new Duplex({
      read: () => {},
      write: (chunk, _encoding, done) => void connection.feed(chunk).then(() => done()),
      destroy: (error, done) => void connection.close().then(() => done(error))
    })
    return stream
  }
})

const onWorkerThread = Layer.build(EmbeddedPostgres.layer({ directory: undefined, template: process.argv[2] })).pipe(
  Effect.map((context) => Context.get(context, EmbeddedPostgres.EmbeddedPostgres).connect)
)

const measure = Effect.fnUntraced(function* <A, E, R>(name: string, count: number, work: Effect.Effect<A, E, R>) {
  yield* work
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  yield* Effect.sleep("20 millis")
  const start = process.hrtime.bigint()
  yield* work
  const elapsed = seconds(process.hrtime.bigint() - start)
  yield* Effect.sleep("20 millis")
  delay.disable()
  const lag = `loop delay p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, max ${(delay.max / 1e6).toFixed(1)} ms`
  yield* Console.log(`  ${name}: ${Math.round(count / elapsed)} queries/s, ${lag}`)
})

const run = Effect.fnUntraced(function* (name: string, connect: Connect) {
  yield* Console.log(name)
  const sql = yield* PgClient.make({ stream: connect, username: "postgres", ssl: false, maxConnections: 8 })
  yield* sql`CREATE TABLE IF NOT EXISTS bench (id int PRIMARY KEY, body text)`
  yield* sql`INSERT INTO bench SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i ON CONFLICT DO NOTHING`
  const select = (id: number) => sql`SELECT body FROM bench WHERE id = ${id}`
  const ids = Array.from({ length: 4000 }, (_, index) => index + 1)
  yield* measure("one after the other", 4000, Effect.forEach(ids, select, { discard: true }))
  yield* measure("8 at a time", 4000, Effect.forEach(ids, select, { concurrency: 8, discard: true }))
  const slow = sql`SELECT count(*) FROM bench a JOIN bench b ON a.id % 100 = b.id % 100`
  yield* measure("one slow query", 1, slow)
  yield* measure("20000 rows", 1, sql`SELECT * FROM bench`)
})

const program = Effect.gen(function* () {
  yield* Effect.scoped(Effect.flatMap(onMainThread, (connect) => run("main thread", connect)))
  yield* Effect.scoped(Effect.flatMap(onWorkerThread, (connect) => run("worker thread", connect)))
})

await Effect.runPromise(Effect.provide(program, Reactivity.layer))
