import { RepositoriesLive } from "@devops-mcp/database/Database"
import { Tenancy } from "@devops-mcp/database/Tenancy"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.mergeAll(RepositoriesLive, Tenancy.layer).pipe(Layer.provideMerge(TestDatabase))

const addContext = Effect.fnUntraced(function* (tenantId: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into contexts (id, tenant_id, name, max_tokens, metadata, created_at, updated_at)
    values (${crypto.randomUUID()}, ${tenantId}, 'mine', 10, '{}', now(), now())`
})

layer(TestLayer, { excludeTestServices: true, timeout: "60 seconds" })("tenancy", (it) => {
  it.effect("shows a query without a where only the tenant's own rows", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      yield* tenancy.run(mine, "test", addContext(mine))
      yield* tenancy.run(theirs, "test", addContext(theirs))
      const seen = yield* tenancy.run(mine, "test", sql<{ readonly tenantId: string }>`select tenant_id from contexts`)
      assert.deepStrictEqual(
        seen.map((row) => row.tenantId),
        [mine]
      )
      const changed = yield* tenancy.run(mine, "test", sql`update contexts set name = 'taken' returning id`)
      assert.strictEqual(changed.length, 1)
      const left = yield* tenancy.run(theirs, "test", sql<{ readonly name: string }>`select name from contexts`)
      assert.deepStrictEqual(
        left.map((row) => row.name),
        ["mine"]
      )
    })
  )

  it.effect("refuses to write a row of another tenant", () =>
    Effect.gen(function* () {
      const tenancy = yield* Tenancy
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      const exit = yield* Effect.exit(tenancy.run(mine, "test", addContext(theirs)))
      assert.isTrue(Exit.isFailure(exit))
    })
  )

  it.effect("shows the application role nothing when no tenant is set", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const mine = yield* freshTenant
      yield* tenancy.run(mine, "test", addContext(mine))
      const rows = yield* sql.withTransaction(
        Effect.andThen(sql`set local role devops_mcp_app`, sql`select * from contexts`)
      )
      assert.deepStrictEqual(rows, [])
    })
  )

  it.effect("leaves neither role nor tenant on the connection", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const mine = yield* freshTenant
      yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => Effect.exit(tenancy.run(mine, "test", Effect.andThen(sql`select 1`, Effect.fail("rolled back")))),
        { concurrency: 8 }
      )
      const states = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => sql<{ readonly role: string; readonly tenant: string | null }>`
          select current_user::text as role, nullif(current_setting('app.tenant_id', true), '') as tenant`,
        { concurrency: 8 }
      )
      assert.isTrue(states.flat().every((state) => state.role === "postgres" && state.tenant === null))
    })
  )

  it.effect("is a defect to reach from one tenant's transaction into another's", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenancy = yield* Tenancy
      const [mine, theirs] = [yield* freshTenant, yield* freshTenant]
      const exit = yield* Effect.exit(tenancy.run(mine, "test", tenancy.run(theirs, "test", sql`select 1`)))
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.effect(
    "the system role reads keys and webhooks, removes keys long expired, and reads nothing that a tenant keeps",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const tenancy = yield* Tenancy
        yield* tenancy.system("test", Effect.all([sql`select * from api_keys`, sql`select * from webhooks`]))
        for (const table of [
          "contexts",
          "context_items",
          "events",
          "deliveries",
          "documents",
          "chunks",
          "tools",
          "audit_log"
        ]) {
          const exit = yield* Effect.exit(tenancy.system("test", sql`select * from ${sql(table)}`))
          assert.isTrue(Exit.isFailure(exit), table)
        }
        const tenant = yield* freshTenant
        yield* sql`
        insert into api_keys (id, tenant_id, name, role, hash, lookup_id, scheme, created_at, expires_at)
        select gen_random_uuid(), ${tenant}, 'k', 'viewer', days, ${tenant} || days, 'sha256', now(), now() - days::interval
        from (values ('-1 day'), ('1 day'), ('29 days'), ('31 days')) as ago (days)`
        yield* tenancy.system("test", sql`delete from api_keys`)
        const left = yield* sql<{ readonly hash: string }>`
        select hash from api_keys where tenant_id = ${tenant} order by hash`
        assert.deepStrictEqual(
          left.map(({ hash }) => hash),
          ["-1 day", "1 day", "29 days"]
        )
      })
  )

  it.effect("every table with a tenant has row-level security enabled and forced, and a policy", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tables = yield* sql<{
        readonly name: string
        readonly enabled: boolean
        readonly forced: boolean
        readonly policies: number
        readonly partition: boolean
      }>`
        select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
          c.relispartition as partition,
          (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind in ('r', 'p')
          and (c.relname = 'tenants' or exists (
            select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped))`
      assert.isAbove(tables.length, 15)
      for (const table of tables) {
        assert.isTrue(table.enabled && table.forced, table.name)
        // A partition is only ever reached through its parent: nobody has rights on it.
        assert.isTrue(table.partition || table.policies > 0, table.name)
      }
    })
  )

  it.effect("neither role can bypass row-level security or owns a table", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const roles = yield* sql<{ readonly name: string; readonly powerful: boolean; readonly owned: number }>`
        select rolname as name, (rolsuper or rolbypassrls or rolcanlogin or rolcreaterole) as powerful,
          (select count(*)::int from pg_class where relowner = r.oid) as owned
        from pg_roles r where rolname in ('devops_mcp_app', 'devops_mcp_system')`
      assert.strictEqual(roles.length, 2)
      assert.isTrue(roles.every((role) => !role.powerful && role.owned === 0))
    })
  )
})
