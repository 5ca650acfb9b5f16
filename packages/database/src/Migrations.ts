import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import * as MigratorFileSystem from "effect/sql/MigratorFileSystem"
import { fileURLToPath } from "node:url"
import { MigrationFailed, reasonOf, SchemaOutdated } from "./Errors.ts"

const table = "schema_migrations"

/** This program's migrations, in their order. */
export const migrations: Migrator.Loader = Effect.provide(
  MigratorFileSystem.fromFileSystem(fileURLToPath(new URL("../../../migrations", import.meta.url))),
  NodeServices.layer
)

const failed = (cause: Error) => {
  const reason = reasonOf(cause)
  const detail =
    cause instanceof Migrator.MigrationError && cause.kind === "Failed" ? `${cause.message}: ${reason}` : reason
  return new MigrationFailed({ detail, cause })
}

const found = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [exists] = yield* sql<{ readonly found: boolean }>`select to_regclass(${table}) is not null as found`
  if (exists?.found !== true) return 0
  const [latest] = yield* sql<{ readonly version: number }>`
    select coalesce(max(migration_id), 0)::int as version from ${sql(table)}`
  return latest?.version ?? 0
})

/** Fails unless the schema is exactly this program's. */
export const requireCurrent = Effect.gen(function* () {
  const known = yield* migrations
  const versions = { found: yield* found, expected: Math.max(...known.map(([id]) => id)) }
  if (versions.found !== versions.expected) return yield* new SchemaOutdated(versions)
}).pipe(Effect.catchTag(["MigrationError", "SqlError"], (error) => Effect.fail(failed(error))))

/**
 * Runs those of the given migrations that are pending, in one transaction; answers the names of those it ran. Of several
 * who try at once one runs them, and the others wait until it has.
 */
export const run = (loader: Migrator.Loader) =>
  Migrator.make({})({ loader, table }).pipe(
    Effect.map((ran) => ran.map(([id, name]) => `${String(id).padStart(4, "0")}_${name}`)),
    Effect.mapError(failed)
  )

/** Brings the schema up to date; one that is newer than this program is left alone and reported. */
export const migrate = run(migrations).pipe(Effect.tap(requireCurrent), Effect.withSpan("Migrations.migrate"))

/** `run` brings the schema up to date at start, `require` refuses to start on another schema. */
export const layer = (mode: "run" | "require") =>
  Layer.effectDiscard(mode === "run" ? Effect.asVoid(migrate) : requireCurrent)
