import { databaseUrl } from "@devops-mcp/database/Settings"
import { DocumentRepository } from "@devops-mcp/core/ports/DocumentRepository"
import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import { DocumentId } from "@devops-mcp/domain/Ids"
import { freshId, freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Array, DateTime, Deferred, Effect, Exit, Fiber, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.mergeAll(RepositoriesLive, Tenancy.layer).pipe(Layer.provideMerge(TestDatabase))

const onServer = Option.isSome(Effect.runSync(databaseUrl))

const newDocument = () => ({
  id: freshId(DocumentId),
  title: "d",
  text: "t",
  metadata: {},
  status: "pending" as const,
  createdAt: DateTime.makeUnsafe(0)
})

/** More transactions than the pool has connections, each of which must find its connection clean. */
const everyConnectionWorks = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenancy = yield* Tenancy
  const documents = yield* DocumentRepository
  const tenant = yield* freshTenant
  const document = newDocument()
  yield* Effect.forEach(Array.range(1, 30), () => documents.create(tenant, newDocument()), { concurrency: "unbounded" })
  yield* documents.create(tenant, document)
  assert.strictEqual((yield* documents.list(tenant, { limit: 200 })).items.length, 31)
  const states = yield* Effect.forEach(
    Array.range(1, 30),
    () => tenancy.run(tenant, "test", sql`select current_user::text as role, count(*)::int from documents`),
    { concurrency: "unbounded" }
  )
  assert.deepStrictEqual(
    states.flat(),
    Array.makeBy(30, () => ({ role: "devops_mcp_app", count: 31 }))
  )
})

/** Lets the event loop go round some times; between two rounds the server's answers arrive. */
const turns = (count: number) =>
  Effect.replicateEffect(
    Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
    count
  )

/** Ends the connections of this database but the one that asks, as a restart of the server would. */
const endOthers = SqlClient.SqlClient.use(
  (sql) =>
    sql`
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`
)

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("transactions", (it) => {
  it.effect("that are interrupted between statements leave nothing, and their connections are good", () =>
    Effect.gen(function* () {
      const documents = yield* DocumentRepository
      const transactions = yield* Transactions
      const tenant = yield* freshTenant
      for (const _ of Array.range(1, 10)) {
        const written = yield* Deferred.make<void>()
        const running = yield* Effect.forkChild(
          transactions.run(
            tenant,
            Effect.gen(function* () {
              yield* documents.create(tenant, newDocument())
              yield* Deferred.succeed(written, undefined)
              return yield* Effect.never
            })
          )
        )
        yield* Deferred.await(written)
        yield* Fiber.interrupt(running)
      }
      assert.deepStrictEqual((yield* documents.list(tenant, { limit: 200 })).items, [])
      yield* everyConnectionWorks
    })
  )

  it.effect("that are interrupted at any moment commit whole or not at all", () =>
    Effect.gen(function* () {
      const documents = yield* DocumentRepository
      const transactions = yield* Transactions
      const tenant = yield* freshTenant
      const finished = yield* Effect.forEach(
        Array.range(0, 39),
        (count) =>
          Effect.gen(function* () {
            const pair = documents
              .create(tenant, newDocument())
              .pipe(Effect.andThen(documents.create(tenant, newDocument())))
            const running = yield* Effect.forkChild(transactions.run(tenant, pair))
            yield* turns(count)
            yield* Fiber.interrupt(running)
            return Exit.isSuccess(yield* Fiber.await(running))
          }),
        { concurrency: 4 }
      )
      const { items } = yield* documents.list(tenant, { limit: 200 })
      assert.strictEqual(items.length % 2, 0)
      assert.isAtLeast(items.length, 2 * finished.filter((success) => success).length)
      yield* everyConnectionWorks
    })
  )

  it.effect("that wait for their turn or for a lock can be given up", () =>
    Effect.gen(function* () {
      const documents = yield* DocumentRepository
      const transactions = yield* Transactions
      const tenant = yield* freshTenant
      const { id } = yield* documents.create(tenant, newDocument())
      const locked = yield* Deferred.make<void>()
      const released = yield* Deferred.make<void>()
      const holding = yield* Effect.forkChild(
        transactions.run(
          tenant,
          Effect.gen(function* () {
            yield* documents.setStatus(tenant, id, "ready")
            yield* Deferred.succeed(locked, undefined)
            yield* Deferred.await(released)
          })
        )
      )
      yield* Deferred.await(locked)
      const givenUp = yield* Effect.forEach(Array.range(0, 19), (count) =>
        Effect.gen(function* () {
          const waiting = yield* Effect.forkChild(documents.setStatus(tenant, id, "failed"))
          yield* turns(count)
          // Not awaited here: on the embedded database BEGIN waits for its turn, and cannot be interrupted.
          return yield* Effect.forkChild(Fiber.interrupt(waiting), { startImmediately: true })
        })
      )
      yield* Deferred.succeed(released, undefined)
      yield* Fiber.joinAll(givenUp)
      yield* Fiber.join(holding)
      assert.strictEqual((yield* documents.get(tenant, id)).status, "ready")
      yield* everyConnectionWorks
    })
  )

  it.effect("say whether the same call may succeed later", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const documents = yield* DocumentRepository
      const tenant = yield* freshTenant
      const raise = (code: string) =>
        Effect.map(
          Effect.flip(tenancy.run(tenant, "test", sql.unsafe(`do $$ begin raise sqlstate '${code}'; end $$`))),
          ({ retryable }) => [code, retryable] as const
        )
      const later = ["40001", "40P01", "55P03", "57014", "08006", "57P01", "57P02", "57P03", "53300"]
      const never = ["23505", "23503", "23514", "23502", "22P02", "22021", "42601", "42501", "P0001", "54001", "28000"]
      for (const code of later) assert.deepStrictEqual(yield* raise(code), [code, true])
      for (const code of never) assert.deepStrictEqual(yield* raise(code), [code, false])
      const document = yield* documents.create(tenant, newDocument())
      const taken = yield* Effect.flip(documents.create(tenant, document))
      assert.deepStrictEqual([taken.operation, taken.retryable], ["documents.create", false])
      assert.strictEqual(taken.message, "The database could not complete documents.create")
    })
  )

  // What follows cannot happen to the embedded database: it has no connections to lose and runs a statement to its end.
  it.effect.skipIf(!onServer)("that are interrupted in the middle of a statement end at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const documents = yield* DocumentRepository
      const tenant = yield* freshTenant
      const started = yield* Deferred.make<number>()
      const running = yield* Effect.forkChild(
        tenancy.run(
          tenant,
          "test",
          Effect.gen(function* () {
            yield* documents.create(tenant, newDocument())
            const [row] = yield* sql<{ readonly pid: number }>`select pg_backend_pid() as pid`
            yield* Deferred.succeed(started, row?.pid ?? 0)
            yield* sql`select pg_sleep(600)`
          })
        )
      )
      const pid = yield* Deferred.await(started)
      const asleep = sql`select 1 from pg_stat_activity where pid = ${pid} and wait_event = 'PgSleep'`
      yield* Effect.repeat(asleep, { until: (rows) => rows.length > 0 })
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual((yield* documents.list(tenant, { limit: 10 })).items, [])
      assert.deepStrictEqual(yield* asleep, [])
      yield* everyConnectionWorks
    })
  )

  it.effect.skipIf(!onServer)("whose connection is lost fail as retryable, and the pool makes new ones", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const documents = yield* DocumentRepository
      const tenant = yield* freshTenant
      yield* everyConnectionWorks
      const ready = yield* Effect.forEach(Array.range(1, 6), () => Deferred.make<void>())
      const ended = yield* Deferred.make<void>()
      const losers = yield* Effect.forEach(ready, (signal, index) =>
        Effect.forkChild(
          tenancy.run(
            tenant,
            "test",
            Effect.gen(function* () {
              yield* documents.create(tenant, newDocument())
              yield* Deferred.succeed(signal, undefined)
              // Half of them lose it while a statement runs, half of them before the next one.
              if (index % 2 === 0) return yield* sql`select pg_sleep(600)`
              yield* Deferred.await(ended)
              return yield* sql`select 1`
            })
          )
        )
      )
      yield* Effect.forEach(ready, Deferred.await)
      yield* endOthers
      yield* Deferred.succeed(ended, undefined)
      for (const loser of losers) {
        const failure = yield* Effect.flip(Fiber.join(loser))
        assert.isTrue(failure.retryable)
      }
      assert.deepStrictEqual((yield* documents.list(tenant, { limit: 10 })).items, [])
      yield* everyConnectionWorks
    })
  )
})
