import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue, Result } from "effect"
import { Reactivity } from "effect/reactivity"
import * as EmbeddedPostgres from "../../src/embedded/EmbeddedPostgres.ts"
import * as Wire from "../../src/embedded/WireFrames.ts"
import * as RawClient from "./RawClient.ts"

const client = Effect.fnUntraced(function* (maxConnections: number) {
  const { connect } = yield* EmbeddedPostgres.EmbeddedPostgres
  return yield* PgClient.make({ stream: connect, username: "postgres", ssl: false, maxConnections })
}, Effect.provide(Reactivity.layer))

const rawClient = Effect.flatMap(EmbeddedPostgres.EmbeddedPostgres, ({ connect }) => RawClient.make(connect))

const text = (frames: ReadonlyArray<Buffer>) => Buffer.concat(frames).toString("latin1")

layer(EmbeddedPostgres.layer({ directory: undefined }), { timeout: "60 seconds", excludeTestServices: true })(
  "Gateway",
  (it) => {
    it.effect("gives every query its own answer while large parameters are on their way", () =>
      Effect.gen(function* () {
        const sql = yield* client(8)
        const payload = (n: number) => String(n % 10).repeat(n % 5 === 0 ? 400_000 : 40)
        const numbers = Array.from({ length: 150 }, (_, n) => n)
        const answers = yield* Effect.forEach(
          numbers,
          (n) => sql<{ n: number; body: string }>`SELECT ${n}::int AS n, ${payload(n)}::text AS body`,
          { concurrency: 8 }
        )
        const wrong = answers.flat().filter((row, n) => row.n !== n || row.body !== payload(n))
        assert.deepStrictEqual([answers.flat().length, wrong.length], [150, 0])
      })
    )

    it.effect("keeps statements of the same name apart", () =>
      Effect.gen(function* () {
        const [one, two] = yield* Effect.all([rawClient, rawClient])
        yield* one.ask(RawClient.parse("s1", "SELECT 'from one'"), Wire.sync)
        yield* two.ask(RawClient.parse("s1", "SELECT 'from two'"), Wire.sync)
        assert.include(text(yield* one.ask(RawClient.execute("s1"), Wire.sync)), "from one")
        assert.include(text(yield* two.ask(RawClient.execute("s1"), Wire.sync)), "from two")
      })
    )

    it.effect("frees what a connection leaves behind", () =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.flatMap(rawClient, (raw) =>
            raw.ask(RawClient.parse("left", "SELECT 1"), Wire.sync, Wire.query("SET search_path = pg_catalog"))
          )
        )
        const sql = yield* client(1)
        const rows = yield* sql<{ left: boolean; path: string }>`
          SELECT exists(SELECT FROM pg_prepared_statements WHERE name LIKE '%:left') AS left,
                 current_setting('search_path') AS path`
        assert.deepStrictEqual(rows, [{ left: false, path: "public" }])
      })
    )

    it.effect("brings a notification to its listeners only", () =>
      Effect.gen(function* () {
        const sql = yield* client(4)
        const bystander = yield* rawClient
        yield* Effect.scoped(
          Effect.gen(function* () {
            const wanted = yield* sql.listen('Wanted "channel"')
            const other = yield* sql.listen("other")
            yield* sql.notify('Wanted "channel"', "hello")
            assert.strictEqual((yield* Queue.take(wanted)).payload, "hello")
            assert.strictEqual(yield* Queue.size(other), 0)
          })
        )
        assert.strictEqual(RawClient.types(yield* bystander.ask(Wire.query("SELECT 1"))), "TDCZ")
      })
    )

    it.effect("keeps a channel open for the listeners that stay", () =>
      Effect.gen(function* () {
        const sql = yield* client(4)
        const stays = yield* rawClient
        const leaves = yield* rawClient
        yield* stays.ask(Wire.query("LISTEN shared"))
        yield* leaves.ask(Wire.query("LISTEN shared"))
        assert.strictEqual(RawClient.types(yield* leaves.ask(Wire.query("UNLISTEN shared"))), "CZ")
        yield* leaves.ask(Wire.query("UNLISTEN *"))
        yield* sql.notify("shared", "still here")
        const frame = yield* Queue.take(stays.frames)
        assert.strictEqual(frame[0], Wire.Type.notification)
        assert.strictEqual(RawClient.types(yield* leaves.ask(Wire.query("SELECT 1"))), "TDCZ")
      })
    )

    it.effect("runs transactions one at a time and hides what is not committed", () =>
      Effect.gen(function* () {
        const sql = yield* client(8)
        yield* sql`CREATE TABLE counter (n int)`
        yield* sql`INSERT INTO counter VALUES (0)`
        const increment = sql.withTransaction(
          Effect.gen(function* () {
            const [row] = yield* sql<{ n: number }>`SELECT n FROM counter`
            yield* Effect.yieldNow
            yield* sql`UPDATE counter SET n = ${(row?.n ?? 0) + 1}`
          })
        )
        yield* Effect.all(
          Array.from({ length: 24 }, () => increment),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(yield* sql`SELECT n FROM counter`, [{ n: 24 }])
      })
    )

    it.effect("stays in step after an SQL error", () =>
      Effect.gen(function* () {
        const raw = yield* rawClient
        const failing = yield* raw.ask(RawClient.parse("bad", "SELECT nonsense"), RawClient.execute("bad"), Wire.sync)
        assert.deepStrictEqual([RawClient.types(failing), RawClient.errorCode(failing)], ["EZ", "42703"])
        assert.strictEqual(RawClient.types(yield* raw.ask(Wire.query("SELECT 1; SELECT 1/0; SELECT 2"))), "TDCEZ")
        const sql = yield* client(4)
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 60 }, (_, n) => n),
          (n) => Effect.result(n % 3 === 0 ? sql`SELECT ${n}::int / 0 AS n` : sql`SELECT ${n}::int AS n`),
          { concurrency: 4 }
        )
        outcomes.forEach((outcome, n) => {
          if (n % 3 === 0) return assert.isTrue(Result.isFailure(outcome))
          return assert.deepStrictEqual(outcome, Result.succeed([{ n }]))
        })
      })
    )

    it.effect("rolls back a client that dies inside a transaction", () =>
      Effect.gen(function* () {
        const sql = yield* client(2)
        yield* sql`CREATE TABLE orphan (n int)`
        const raw = yield* rawClient
        yield* raw.ask(Wire.query("BEGIN"))
        yield* raw.ask(Wire.query("INSERT INTO orphan VALUES (1)"))
        const waiting = yield* Effect.forkScoped(sql`SELECT count(*)::int AS n FROM orphan`)
        raw.stream.destroy()
        assert.deepStrictEqual(yield* Fiber.join(waiting), [{ n: 0 }])
      })
    )

    it.effect("never runs a statement that was interrupted while it waited", () =>
      Effect.gen(function* () {
        const sql = yield* client(4)
        yield* sql`CREATE TABLE late (n int)`
        const inside = yield* Deferred.make<void>()
        const leave = yield* Deferred.make<void>()
        const transaction = yield* Effect.forkScoped(
          sql.withTransaction(Effect.andThen(Deferred.succeed(inside, undefined), Deferred.await(leave)))
        )
        yield* Deferred.await(inside)
        const raw = yield* rawClient
        raw.stream.write(Wire.query("INSERT INTO late VALUES (1)"))
        const { connect } = yield* EmbeddedPostgres.EmbeddedPostgres
        const cancel = connect()
        const packet = Buffer.alloc(16)
        packet.writeInt32BE(16, 0)
        packet.writeInt32BE(Wire.Request.cancel, 4)
        packet.writeInt32BE(raw.processId, 8)
        cancel.write(packet)
        const answer = [yield* Queue.take(raw.frames), yield* Queue.take(raw.frames)]
        assert.deepStrictEqual([RawClient.types(answer), RawClient.errorCode(answer)], ["EZ", "57014"])
        yield* Deferred.succeed(leave, undefined)
        yield* Fiber.join(transaction)
        assert.deepStrictEqual(yield* sql`SELECT count(*)::int AS n FROM late`, [{ n: 0 }])
      })
    )

    it.effect("refuses a role that would outlive its transaction", () =>
      Effect.gen(function* () {
        const raw = yield* rawClient
        yield* raw.ask(Wire.query("CREATE ROLE reduced"))
        assert.strictEqual(RawClient.errorCode(yield* raw.ask(Wire.query("SET ROLE reduced"))), "0A000")
        assert.include(text(yield* raw.ask(Wire.query("SELECT current_user"))), "postgres")
        const local = yield* raw.ask(Wire.query("BEGIN; SET LOCAL ROLE reduced; SELECT current_user; COMMIT"))
        assert.include(text(local), "reduced")
        assert.isUndefined(RawClient.errorCode(local))
      })
    )

    it.effect("refuses COPY FROM STDIN, which the backend would not survive", () =>
      Effect.gen(function* () {
        const raw = yield* rawClient
        yield* raw.ask(Wire.query("CREATE TABLE copied (n int)"))
        assert.strictEqual(RawClient.errorCode(yield* raw.ask(Wire.query("COPY copied FROM STDIN"))), "42601")
        assert.strictEqual(RawClient.types(yield* raw.ask(Wire.query("SELECT 1"))), "TDCZ")
      })
    )

    it.effect("ends the connection that breaks the protocol, and no other", () =>
      Effect.gen(function* () {
        const other = yield* rawClient
        const raw = yield* rawClient
        raw.stream.write(Buffer.from([Wire.Type.query, 0x7f, 0, 0, 0]))
        const last = yield* Queue.take(raw.frames)
        assert.strictEqual(RawClient.errorCode([last]), "08P01")
        assert.strictEqual(RawClient.types(yield* other.ask(Wire.query("SELECT 1"))), "TDCZ")
      })
    )

    it.effect("loads the extensions that the migrations create", () =>
      Effect.gen(function* () {
        const sql = yield* client(1)
        yield* sql`CREATE EXTENSION vector`
        yield* sql`CREATE EXTENSION pg_trgm`
        const rows = yield* sql`
          SELECT ('[1,2]'::vector <-> '[1,4]')::float8 AS distance, similarity('abc', 'abc') AS same`
        assert.deepStrictEqual(rows, [{ distance: 2, same: 1 }])
      })
    )
  }
)
