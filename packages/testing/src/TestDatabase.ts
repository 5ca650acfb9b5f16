import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Client from "@devops-mcp/database/Client"
import { databaseUrl } from "@devops-mcp/database/Settings"
import * as EmbeddedPostgres from "@devops-mcp/database/embedded/EmbeddedPostgres"
import * as Migrations from "@devops-mcp/database/Migrations"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Effect, FileSystem, Layer, Option, Path, Redacted } from "effect"
import { Digest } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** What the schema is made from; a template is good as long as none of it changes. */
const sources = [
  "migrations",
  "packages/database/src/TenantIsolation.ts",
  "packages/queue/src/JobsTable.ts",
  "package-lock.json"
]

const fingerprint = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const digest = yield* Digest.Digest
  const files = yield* Effect.forEach(sources, (source) =>
    Effect.gen(function* () {
      const place = path.join(root, source)
      const { type } = yield* fs.stat(place)
      return type === "Directory"
        ? (yield* fs.readDirectory(place)).toSorted().map((name) => path.join(place, name))
        : [place]
    })
  )
  const contents = yield* Effect.forEach(files.flat(), (file) => fs.readFileString(file))
  return (yield* digest.digestHex(Digest.sha256, new TextEncoder().encode(contents.join("\0")))).slice(0, 16)
})

const embeddedTemplate = Effect.map(
  fingerprint,
  (hash) => `${root}/node_modules/.cache/devops-mcp/template-${hash}.tar`
)

const serverTemplate = Effect.map(fingerprint, (hash) => `devops_mcp_template_${hash}`)

/** A client of another database on the same server. */
const clientOf = (url: Redacted.Redacted, database: string) => {
  const address = new URL(Redacted.value(url))
  address.pathname = `/${database}`
  return PgClient.layer({ url: Redacted.make(address.href), maxConnections: 2 })
}

const makeEmbeddedTemplate = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const target = yield* embeddedTemplate
  if (yield* fs.exists(target)) return
  yield* fs.makeDirectory(path.dirname(target), { recursive: true })
  const half = yield* fs.makeTempFileScoped({ directory: path.dirname(target) })
  yield* Effect.gen(function* () {
    yield* Migrations.migrate
    yield* (yield* EmbeddedPostgres.EmbeddedPostgres).dump(half)
  }).pipe(Effect.provide(Layer.provideMerge(Client.embeddedClient, EmbeddedPostgres.layer({ directory: undefined }))))
  yield* fs.copyFile(half, `${half}.done`)
  yield* fs.rename(`${half}.done`, target)
}).pipe(Effect.scoped)

const makeServerTemplate = Effect.fnUntraced(function* (url: Redacted.Redacted) {
  const sql = yield* SqlClient.SqlClient
  const name = yield* serverTemplate
  const exists = yield* sql`select 1 from pg_database where datname = ${name}`
  if (exists.length > 0) return
  // Made under another name, so that a template that exists is a whole one.
  const half = `${name}_half`
  yield* sql`drop database if exists ${sql(half)} with (force)`
  yield* sql`create database ${sql(half)}`
  yield* Effect.scoped(Effect.provide(Migrations.migrate, clientOf(url, half)))
  yield* sql`alter database ${sql(half)} rename to ${sql(name)}`
})

/** Makes the migrated template that every suite's database is a copy of, if there is none for this schema. */
export const ensureTemplate = Effect.gen(function* () {
  const url = yield* databaseUrl
  yield* Option.isSome(url)
    ? Effect.provide(makeServerTemplate(url.value), PgClient.layer({ url: url.value, maxConnections: 1 }))
    : makeEmbeddedTemplate
}).pipe(Effect.provide([NodeServices.layer, Digest.layerWebCrypto]))

const serverCopy = Effect.fnUntraced(function* (url: Redacted.Redacted) {
  const template = yield* serverTemplate
  const name = `devops_mcp_test_${crypto.randomUUID().replaceAll("-", "")}`
  const admin = PgClient.layer({ url, maxConnections: 1 })
  yield* Effect.acquireRelease(
    Effect.provide(
      SqlClient.SqlClient.use((sql) => sql`create database ${sql(name)} template ${sql(template)}`),
      admin
    ),
    () =>
      Effect.orDie(
        Effect.provide(
          SqlClient.SqlClient.use((sql) => sql`drop database ${sql(name)} with (force)`),
          admin
        )
      )
  )
  const address = new URL(Redacted.value(url))
  address.pathname = `/${name}`
  return Redacted.make(address.href)
})

type Database = Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, Client.StartError>

const onServer = (url: Redacted.Redacted) => Effect.map(serverCopy(url), (copy): Database => Client.server(copy))

const embedded = Effect.map(embeddedTemplate, (template): Database =>
  Layer.provide(Client.embeddedClient, EmbeddedPostgres.layer({ directory: undefined, template }))
)

/**
 * A migrated database of the suite's own: on the server at `DATABASE_URL` when it is set, else embedded in memory. The
 * same tests run on both.
 */
export const TestDatabase = Layer.unwrap(
  Effect.flatMap(databaseUrl, (url) => (Option.isSome(url) ? onServer(url.value) : embedded))
).pipe(Layer.provide([NodeServices.layer, Digest.layerWebCrypto]), Layer.orDie)

/** On a server programs are given their key, as replicas must be. */
const testKey = Buffer.alloc(32, 7).toString("base64")

/**
 * Environment for programs of a suite's own: a migrated copy on the server at `DATABASE_URL`, the Redis at `REDIS_URL`;
 * empty for the embedded stores when they are not set.
 */
export const testEnvironment = Effect.gen(function* () {
  const url = yield* databaseUrl
  const redis = yield* Config.option(Config.String("REDIS_URL"))
  return {
    ...(Option.isSome(url)
      ? { DATABASE_URL: Redacted.value(yield* serverCopy(url.value)), ENCRYPTION_KEY: testKey }
      : {}),
    ...(Option.isSome(redis) ? { REDIS_URL: redis.value } : {})
  }
}).pipe(Effect.provide([NodeServices.layer, Digest.layerWebCrypto]))
