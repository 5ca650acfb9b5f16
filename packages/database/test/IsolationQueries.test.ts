import { Transactions } from "@devops-mcp/core/ports/Transactions"
import { RepositoriesLive } from "@devops-mcp/database/Database"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import { applicationRole } from "@devops-mcp/database/TenantIsolation"
import { type TenantId } from "@devops-mcp/domain/Ids"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import { partitionNames, tenantTableNames } from "./Catalogue.ts"
import { fill, makeRows, snapshot } from "./IsolationRows.ts"

const TestLayer = Layer.merge(RepositoriesLive, Tenancy.layer).pipe(Layer.provideMerge(TestDatabase))

interface Touched {
  readonly tenant: string
}

const tenantColumnOf = (table: string) => (table === "tenants" ? "id" : "tenant_id")

/** Statements that somebody forgot the `where` of; each answers whose rows it met. */
const careless = Effect.fnUntraced(function* (table: string, tenant: TenantId) {
  const sql = yield* SqlClient.SqlClient
  const column = sql(tenantColumnOf(table))
  const met = sql`${column}::text as tenant`
  return [
    sql<Touched>`select ${met}, t::text as row from ${sql(table)} t`,
    sql<Touched>`update ${sql(table)} set ${column} = ${tenant} returning ${met}`,
    sql<Touched>`delete from ${sql(table)} returning ${met}`
  ]
})

/** An update of all rows for each column that takes a new value. */
const carelessUpdates = Effect.fnUntraced(function* (table: string) {
  const sql = yield* SqlClient.SqlClient
  const columns = yield* sql<{ readonly column: string; readonly value: string }>`
    select column_name::text as column, v.value
    from information_schema.columns join (values
      ('text', 'taken'), ('jsonb', '{"taken":true}'), ('timestamp with time zone', '2000-01-01'), ('integer', '77'),
      ('uuid', gen_random_uuid()::text)
    ) as v (type, value) on data_type = v.type
    where table_schema = 'public' and table_name = ${table} and is_generated = 'NEVER' and is_identity = 'NO'`
  return columns.map(
    ({ column, value }) => sql<Touched>`
      update ${sql(table)} set ${sql(column)} = ${value} returning ${sql(tenantColumnOf(table))}::text as tenant`
  )
})

layer(TestLayer, { excludeTestServices: true, timeout: "120 seconds" })("queries without a where", (it) => {
  it.effect("meet, in every table, the tenant's own rows and no others", () =>
    Effect.gen(function* () {
      const tenancy = yield* Tenancy
      const theirs = yield* freshTenant
      yield* fill(theirs, makeRows())
      const before = yield* snapshot(theirs)
      const partitions = new Set(yield* partitionNames)
      for (const table of (yield* tenantTableNames).filter((name) => !partitions.has(name))) {
        const mine = yield* freshTenant
        yield* fill(mine, makeRows())
        const statements = [...(yield* carelessUpdates(table)), ...(yield* careless(table, mine))]
        const outcomes = yield* Effect.forEach(statements, (statement) =>
          Effect.result(tenancy.run(mine, "test", statement))
        )
        const met = outcomes.filter(Result.isSuccess).flatMap(({ success }) => success.map(({ tenant }) => tenant))
        assert.deepStrictEqual([...new Set(met)], [mine], table)
      }
      assert.deepStrictEqual(yield* snapshot(theirs), before)
    })
  )

  it.effect("meet nothing in a part of a table, and nothing when the tenant is not set or none", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const theirs = yield* freshTenant
      yield* fill(theirs, makeRows())
      const before = yield* snapshot(theirs)
      const partitions = new Set(yield* partitionNames)
      const enter = sql`select set_config('role', ${applicationRole}, true)`
      // What a caller with a broken type could pass.
      const noUuid = "' or true --" as TenantId
      for (const table of yield* tenantTableNames) {
        for (const statement of yield* careless(table, theirs)) {
          const unset = yield* Effect.result(sql.withTransaction(Effect.andThen(enter, statement)))
          assert.isTrue(Result.isFailure(unset) || unset.success.length === 0, table)
          const none = yield* Effect.result(tenancy.run(noUuid, "test", statement))
          assert.isTrue(Result.isFailure(none), table)
          if (!partitions.has(table)) continue
          // Nobody has rights there, not even to what is their own.
          assert.isTrue(Result.isFailure(yield* Effect.result(tenancy.run(theirs, "test", statement))), table)
        }
      }
      assert.deepStrictEqual(yield* snapshot(theirs), before)
    })
  )

  it.effect("meet the same in a transaction within a transaction, and none in another tenant's", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const transactions = yield* Transactions
      const tenancy = yield* Tenancy
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      yield* Effect.forEach([mine, theirs], (tenant) => fill(tenant, makeRows()))
      const all = tenancy.run(mine, "test", sql<Touched>`select tenant_id::text as tenant from contexts`)
      const nested = transactions.run(mine, transactions.run(mine, sql.withTransaction(all)))
      assert.deepStrictEqual(yield* nested, [{ tenant: mine }])
      const failed = transactions.run(mine, Effect.andThen(Effect.ignore(sql.withTransaction(Effect.fail("no"))), all))
      assert.deepStrictEqual(yield* failed, [{ tenant: mine }])
      const foreign = yield* Effect.exit(transactions.run(theirs, transactions.run(theirs, all)))
      assert.isTrue(Exit.hasDies(foreign))
    })
  )
})
