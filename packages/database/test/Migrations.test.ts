import { databaseUrl } from "@devops-mcp/database/Settings"
import * as Migrations from "@devops-mcp/database/Migrations"
import { applicationRole } from "@devops-mcp/database/TenantIsolation"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { assert, layer } from "@effect/vitest"
import { Array, Effect, Option } from "effect"
import { type Migrator, SqlClient } from "effect/sql"

const serverUrl = Effect.runSync(databaseUrl)

/** What there is in the schema, a line for each thing, without the order in which it was made. */
const catalogue = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const lines = yield* sql<{ readonly line: string }>`
    with mine as (
      select c.* from pg_class c
      where c.relnamespace = 'public'::regnamespace
        and not exists (select 1 from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    )
    select format('relation %s %s %s %s %s %s %s', relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity,
      (select string_agg(a::text, ',' order by a::text) from unnest(relacl) a), pg_get_expr(relpartbound, oid)) as line
    from mine
    union all
    select format('column %s.%s %s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attacl::text)
    from mine c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    union all
    select format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(k.oid))
    from pg_constraint k join mine c on c.oid = k.conrelid
    union all
    select format('index %s', pg_get_indexdef(indexrelid)) from pg_index i join mine c on c.oid = i.indexrelid
    union all
    select format('policy %s %s %s %s %s %s %s', tablename, policyname, permissive, roles, cmd, qual, with_check)
    from pg_policies
    union all
    select format('function %s', pg_get_functiondef(p.oid)) from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    union all
    select format('extension %s %s', extname, extversion) from pg_extension
    union all
    select format('namespace %s %s', nspname, (select string_agg(a::text, ',' order by a::text) from unnest(nspacl) a))
    from pg_namespace where nspname = 'public'
    union all
    select format('version %s %s', migration_id, name) from schema_migrations`
  return lines.map(({ line }) => line).toSorted()
})

const empty = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`drop schema public cascade`
  yield* sql`create schema public`
  yield* sql`grant usage on schema public to public`
})

const namesOf = Effect.map(Migrations.migrations, (known) =>
  known.map(([id, name]) => `${String(id).padStart(4, "0")}_${name}`)
)

const only = (count: number) => Effect.map(Migrations.migrations, (known) => known.slice(0, count))

const migration = (id: number, name: string, body: Effect.Effect<unknown, unknown, SqlClient.SqlClient>) =>
  [id, name, Effect.succeed(body)] as const

layer(TestDatabase, { excludeTestServices: true, timeout: "60 seconds" })("migrations", (it) => {
  it.effect(
    "make the same schema in one go and in any two steps",
    () =>
      Effect.gen(function* () {
        const names = yield* namesOf
        yield* empty
        assert.deepStrictEqual(yield* Migrations.migrate, names)
        const whole = yield* catalogue
        assert.isAbove(whole.length, 200)
        for (const count of Array.range(1, names.length - 1)) {
          yield* empty
          assert.deepStrictEqual(yield* Migrations.run(only(count)), names.slice(0, count))
          assert.deepStrictEqual(yield* Migrations.migrate, names.slice(count))
          assert.deepStrictEqual(yield* catalogue, whole)
        }
      }),
    60_000
  )

  it.effect("run once, however often and by however many they are started", () =>
    Effect.gen(function* () {
      const names = yield* namesOf
      yield* Migrations.migrate
      const whole = yield* catalogue
      assert.deepStrictEqual(yield* Migrations.migrate, [])
      assert.deepStrictEqual(yield* catalogue, whole)
      yield* empty
      const runs = yield* Effect.all(
        Array.makeBy(4, () => Migrations.migrate),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        runs.toSorted((a, b) => b.length - a.length),
        [names, [], [], []]
      )
      assert.deepStrictEqual(yield* catalogue, whole)
    })
  )

  it.effect("leave nobody but the owner the right to create objects", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* empty
      // As PostgreSQL 14 has it from the beginning.
      yield* sql`grant create on schema public to public`
      yield* Migrations.migrate
      const [found] = yield* sql<{ readonly may: boolean }>`
        select has_schema_privilege(${applicationRole}, 'public', 'create') as may`
      assert.isFalse(found?.may)
    })
  )

  it.effect("are demanded: an empty, an older and a newer schema are told apart, and a newer one is left alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const expected = Math.max(...(yield* Migrations.migrations).map(([id]) => id))
      const refusal = Effect.map(Effect.flip(Migrations.requireCurrent), ({ message }) => message)
      const older = (found: number) =>
        `The database's schema is at version ${found} and this program needs ${expected}: run 'devops-mcp migrate'`
      yield* empty
      assert.strictEqual(yield* refusal, older(0))
      yield* Migrations.run(only(2))
      assert.strictEqual(yield* refusal, older(2))
      yield* Migrations.migrate
      yield* Migrations.requireCurrent
      yield* sql`insert into schema_migrations (migration_id, name) values (9999, 'of_the_future')`
      const newer = `The database's schema is at version 9999, newer than this program's ${expected}: upgrade the program`
      assert.strictEqual(yield* refusal, newer)
      assert.strictEqual((yield* Effect.flip(Migrations.migrate)).message, newer)
      yield* sql`delete from schema_migrations where migration_id = 9999`
      yield* Migrations.requireCurrent
    })
  )

  // The embedded database has one user, who owns it.
  it.effect.skipIf(Option.isNone(serverUrl))(
    "work for an owner who is no superuser, with rows that are there, and leave it able to take the roles",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [server] = yield* sql<{
          readonly version: number
        }>`select current_setting('server_version_num')::int as version`
        // What CREATEROLE gives a creator: before 16 all of a role, since then only the right to grant it.
        const created = sql.literal(
          (server?.version ?? 0) < 160000 ? "with admin option" : "with admin true, set false, inherit false"
        )
        const id = crypto.randomUUID()
        const attempt = Effect.gen(function* () {
          yield* empty
          yield* sql`create role devops_mcp_test_owner createrole`
          yield* sql`grant devops_mcp_app, devops_mcp_system to devops_mcp_test_owner ${created}`
          yield* sql`create extension vector`
          yield* sql`alter schema public owner to devops_mcp_test_owner`
          yield* sql`do $$ begin execute format('grant create on database %I to devops_mcp_test_owner', current_database()); end $$`
          yield* sql`set local session authorization devops_mcp_test_owner`
          yield* Migrations.run(only(13))
          const as = (role: string) => sql`select set_config('role', ${role}, true)`
          yield* as("devops_mcp_system")
          yield* sql`insert into tenants (id, name, created_at) values (${id}, 't', now())`
          yield* as("devops_mcp_app")
          yield* sql`select set_config('app.tenant_id', ${id}, true)`
          yield* sql`
            insert into webhooks (id, tenant_id, source, name, sealed_secret, created_at)
            values (${id}, ${id}, 'github', 'w', 's', now())`
          yield* sql`
            insert into deliveries (id, tenant_id, webhook_id, source, external_id, event_type, payload, received_at)
            values (${id}, ${id}, ${id}, 'github', 'e', 'push', '{}', '2001-01-01')`
          const event = sql`
            insert into events (id, tenant_id, source, type, title, summary, occurred_at, received_at, delivery_id, status)
            values (gen_random_uuid(), ${id}, 'github', 'push', 't', 's', now(), '2001-01-01', ${id}, 'processed')`
          yield* event
          yield* as("devops_mcp_test_owner")
          yield* Migrations.migrate
          yield* as("devops_mcp_system")
          yield* sql`select drop_partition('events', '2001-01-01')::text`
          yield* as("devops_mcp_app")
          yield* Effect.andThen(event, event)
          yield* as("devops_mcp_system")
          yield* sql`select make_partition('events', '2001-01-01')::text`
          yield* as("devops_mcp_app")
          return yield* sql<{ readonly place: string }>`
            select tableoid::regclass::text as place from events union all
            select tableoid::regclass::text from deliveries order by place`
        })
        const rolledBack = yield* Effect.flip(sql.withTransaction(Effect.flatMap(attempt, Effect.fail)))
        assert.deepStrictEqual(rolledBack, [
          { place: "deliveries_2001_01" },
          { place: "events_2001_01" },
          { place: "events_2001_01" }
        ])
      })
  )

  it.effect("leave nothing of a run that fails, and name the migration and its cause in one sentence", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Migrations.migrate
      const before = yield* catalogue
      const good = migration(9001, "good", sql`create table half_done (n int)`)
      const attempts: ReadonlyArray<readonly [Migrator.Loader, string]> = [
        [
          Effect.succeed([good, migration(9002, "broken", sql`create table half_done (n int)`)]),
          'Migration "9002_broken" failed: relation "half_done" already exists'
        ],
        [
          Effect.succeed([good, migration(9002, "odd", Effect.fail(new Error("no\n\n  luck")))]),
          'Migration "9002_odd" failed: no luck'
        ],
        [
          Effect.succeed([good, [9003, "gone", Effect.die(new Error("Cannot find module"))] as const]),
          'Could not import migration "9003_gone" Error: Cannot find module'
        ],
        [Effect.succeed([good, good]), "Found duplicate migration id's"]
      ]
      for (const [loader, detail] of attempts) {
        const failure = yield* Effect.flip(Migrations.run(loader))
        assert.strictEqual(failure._tag, "@devops-mcp/database/Errors/MigrationFailed")
        assert.strictEqual(failure.message, `The database's schema could not be brought up to date: ${detail}`)
        assert.deepStrictEqual(yield* catalogue, before)
      }
    })
  )
})
