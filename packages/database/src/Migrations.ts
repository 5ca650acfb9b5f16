import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import * as MigratorFileSystem from "effect/sql/MigratorFileSystem"
import { fileURLToPath } from "node:url"
import { MigrationFailed, SchemaOutdated } from "./Errors.ts"

const table = "schema_migrations"
const loader = MigratorFileSystem.fromFileSystem(fileURLToPath(new URL("../../../migrations", import.meta.url)))

const failed = (cause: { readonly message: string }) => new MigrationFailed({ detail: cause.message, cause })

/** Brings the schema up to date, all pending migrations in one transaction; answers the names of those it ran. */
export const migrate = Migrator.make({})({ loader, table }).pipe(
  Effect.map((ran) => ran.map(([id, name]) => `${String(id).padStart(4, "0")}_${name}`)),
  Effect.mapError(failed),
  Effect.provide(NodeServices.layer),
  Effect.withSpan("Migrations.migrate")
)

const expected = loader.pipe(
  Effect.map((migrations) => Math.max(...migrations.map(([id]) => id))),
  Effect.mapError(failed),
  Effect.provide(NodeServices.layer)
)

const found = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [exists] = yield* sql<{ readonly found: boolean }>`select to_regclass(${table}) is not null as found`
  if (exists?.found !== true) return 0
  const [latest] = yield* sql<{ readonly version: number }>`
    select coalesce(max(migration_id), 0)::int as version from ${sql(table)}`
  return latest?.version ?? 0
}).pipe(Effect.mapError(failed))

/** Fails unless the schema is exactly this program's. */
export const requireCurrent = Effect.gen(function*() {
  const versions = { found: yield* found, expected: yield* expected }
  if (versions.found !== versions.expected) return yield* new SchemaOutdated(versions)
})

/** `run` brings the schema up to date at start, `require` refuses to start on another schema. */
export const layer = (mode: "run" | "require") =>
  Layer.effectDiscard(mode === "run" ? Effect.asVoid(migrate) : requireCurrent)
