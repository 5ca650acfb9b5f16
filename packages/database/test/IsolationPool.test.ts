import { RepositoriesLive } from "@devops-mcp/database/Database"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import type { TenantId } from "@devops-mcp/domain/Ids"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.merge(RepositoriesLive, Tenancy.layer).pipe(Layer.provideMerge(TestDatabase))

interface Seen {
  readonly tenant: string
}

/** What a fiber does in its transaction; the last four end it. */
const Step = Schema.Literals(["read", "write", "nested", "savepoint", "fail", "die", "mistake", "interrupt"])

const Program = Schema.Array(Step).check(Schema.isBetweenLength(1, 4))

const fibers = 20

/** Takes connections out of the pool until only so many are left. */
const leaveConnections = Effect.fnUntraced(function* (left: number) {
  const sql = yield* SqlClient.SqlClient
  const all = process.env["DATABASE_URL"] === undefined ? 8 : 20
  yield* Effect.forEach(Array.from({ length: all - left }), () => sql.reserve, { discard: true })
})

const clean = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const states = yield* Effect.forEach(
    Array.from({ length: 8 }),
    () => sql<{ readonly isLogin: boolean; readonly tenant: string | null }>`
      select current_user = session_user as is_login, nullif(current_setting('app.tenant_id', true), '') as tenant`,
    { concurrency: 8 }
  )
  return states.flat().every((state) => state.isLogin && state.tenant === null)
})

layer(TestLayer, { excludeTestServices: true, timeout: "120 seconds" })("tenants that share few connections", (it) => {
  it.effect.prop(
    "never see each other's rows, however their transactions end",
    { programs: Schema.Array(Program).check(Schema.isBetweenLength(fibers, fibers)) },
    ({ programs }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const tenancy = yield* Tenancy
        yield* leaveConnections(3)
        const tenants = [yield* freshTenant, yield* freshTenant] as const
        const read = sql<Seen>`select tenant_id::text as tenant from documents`
        const runs = programs.map((steps, index) => {
          const tenant: TenantId = tenants[index % 2 === 0 ? 0 : 1]
          const seen: Array<Seen> = []
          const look = Effect.map(read, (rows) => void seen.push(...rows))
          const write = sql`
            insert into documents (id, tenant_id, title, text, metadata, status, created_at)
            values (${crypto.randomUUID()}, ${tenant}, 'd', 't', '{}', 'pending', now())`
          const step = (name: typeof Step.Type): Effect.Effect<unknown, unknown> => {
            switch (name) {
              case "read":
                return look
              case "write":
                return write
              case "nested":
                return tenancy.run(tenant, "test", look)
              case "savepoint":
                return Effect.ignore(sql.withTransaction(Effect.andThen(write, Effect.fail("undone"))))
              case "fail":
                return Effect.fail("failed")
              case "die":
                return Effect.die("died")
              case "mistake":
                return sql`select * from a_table_that_is_not_there`
              case "interrupt":
                return Effect.interrupt
            }
          }
          const written = steps.filter((name) => name === "write").length
          return { tenant, seen, written, run: tenancy.run(tenant, "test", Effect.forEach(steps, step)) }
        })
        const ended = yield* Effect.forEach(runs, ({ run }) => Effect.map(Effect.exit(run), Exit.isSuccess), {
          concurrency: fibers
        })
        for (const { seen, tenant } of runs) assert.isTrue(seen.every((row) => row.tenant === tenant))
        assert.isTrue(yield* clean)
        for (const tenant of tenants) {
          const kept = runs.filter((run, index) => run.tenant === tenant && ended[index] === true)
          const rows = yield* tenancy.run(tenant, "test", read)
          assert.strictEqual(
            rows.length,
            kept.reduce((sum, { written }) => sum + written, 0)
          )
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 20 } }
  )

  it.effect("a fiber that outlives its transaction does not go on in whoever's is on that connection by then", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      const ended = yield* Deferred.make<void>()
      const read = sql<Seen>`select id::text as tenant from tenants`
      const late = Effect.andThen(Deferred.await(ended), tenancy.run(mine, "test", read))
      const fiber = yield* tenancy.run(mine, "test", Effect.forkDetach(late))
      const exit = yield* tenancy.run(
        theirs,
        "test",
        Effect.andThen(Deferred.succeed(ended, undefined), Fiber.await(fiber))
      )
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.effect("what runs after the commit is the tenant's as well", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const [mine] = [yield* freshTenant, yield* freshTenant]
      const seen: Array<Seen> = []
      const look = Effect.map(
        tenancy.run(mine, "test", sql<Seen>`select id::text as tenant from tenants`),
        (rows) => void seen.push(...rows)
      )
      yield* tenancy.run(mine, "test", sql.afterCommit(Effect.orDie(look)))
      assert.deepStrictEqual(seen, [{ tenant: mine }])
    })
  )
})
