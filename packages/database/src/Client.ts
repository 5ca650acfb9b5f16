import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as PgClient from "@effect/sql-pg/PgClient"
import { type Config, Duration, Effect, Layer, Option, Predicate, Redacted, String } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { ConnectionOptions } from "node:tls"
import * as EmbeddedPostgres from "./embedded/EmbeddedPostgres.ts"
import { DatabaseUnreachable, DatabaseUnsupported, reasonOf } from "./Errors.ts"
import { serverTls } from "./ServerTls.ts"
import { poolConnections } from "./PoolMetrics.ts"
import { databaseUrl, home, isPostgres } from "./Settings.ts"

/** Connections of one program to a server; several replicas share the server's limit. */
const serverConnections = 20

/** Logical connections to the embedded database; it works on one at a time anyway. */
const embeddedConnections = 8

/** How long a server has to take a connection and to say what it is. */
const connectTimeout = Duration.seconds(5)

/** The oldest versions whose features the schema and the queries use. */
const minimum = { postgres: 14, vector: "0.8.0" }

const naming = {
  applicationName: "devops-mcp",
  transformQueryNames: String.camelToSnake,
  transformResultNames: String.snakeToCamel,
  // Only column names are ours to rename; the keys inside JSON belong to whoever wrote them.
  transformJson: false
}

const addressOf = (url: Redacted.Redacted): string => {
  const parsed = URL.parse(Redacted.value(url))
  // An `@` this late means that the password holds a `/` and what looks like a host and a path are parts of it.
  return parsed === null || !isPostgres(parsed) || parsed.pathname.includes("@")
    ? "DATABASE_URL"
    : `${parsed.hostname}:${parsed.port || "5432"}${parsed.pathname}`
}

const isOlder = (version: string, than: string): boolean => version.localeCompare(than, "en", { numeric: true }) < 0

/** What a server says of itself; `vector` is the version of pgvector that it has or could have. */
export interface ServerFacts {
  readonly version: number
  readonly vector: string | null
}

/** What keeps us from using a server, if anything. */
export const shortcomingOf = ({ vector, version }: ServerFacts): string | undefined => {
  if (version < minimum.postgres) return `it is PostgreSQL ${version}, and ${minimum.postgres} or newer is needed`
  if (vector === null) return "the extension pgvector is not installed on its server"
  if (isOlder(vector, minimum.vector)) return `its pgvector is ${vector}, and ${minimum.vector} or newer is needed`
}

/** Asks the server what it is before anything is built on it. */
const checkServer = Effect.fnUntraced(function* (address: string) {
  const sql = yield* SqlClient.SqlClient
  const unreachable = (detail: string) => new DatabaseUnreachable({ address, detail })
  const [server] = yield* sql<ServerFacts>`
    select
      current_setting('server_version_num')::int / 10000 as version,
      coalesce(
        (select extversion from pg_extension where extname = 'vector'),
        (select default_version from pg_available_extensions where name = 'vector')
      ) as vector`.pipe(
    Effect.mapError((error) => unreachable(detailOf(error))),
    Effect.timeoutOrElse({ duration: connectTimeout, orElse: () => Effect.fail(unreachable("Connection timed out")) })
  )
  const shortcoming = server === undefined ? "it does not say what it is" : shortcomingOf(server)
  if (shortcoming !== undefined) return yield* new DatabaseUnsupported({ address, detail: shortcoming })
})

const detailOf = (error: SqlError.SqlError): string => {
  const { cause } = error.reason
  return Predicate.isTagged(cause, "PgProtocolParseError") ? "what answers there is not PostgreSQL" : reasonOf(error)
}

/** A client of the server at a URL, once it has shown that it is one we can use. */
export const server = (url: Redacted.Redacted) => {
  const address = addressOf(url)
  const connected = (ssl: ConnectionOptions | undefined) =>
    PgClient.layer({ ...naming, url, maxConnections: serverConnections, connectTimeout, ssl }).pipe(
      Layer.catch((error) =>
        Layer.effectContext<Clients, DatabaseUnreachable, never>(
          Effect.fail(new DatabaseUnreachable({ address, detail: detailOf(error) }))
        )
      )
    )
  const client = Layer.unwrap(
    Effect.mapBoth(serverTls(Redacted.value(url)), {
      onFailure: ({ message }) => new DatabaseUnreachable({ address, detail: message }),
      onSuccess: connected
    })
  ).pipe(Layer.provide(NodeFileSystem.layer))
  return Layer.effectDiscard(Effect.andThen(checkServer(address), poolConnections("limit", serverConnections))).pipe(
    Layer.provideMerge(client)
  )
}

/** A client of an embedded database that is open. */
export const embeddedClient = Layer.unwrap(
  Effect.gen(function* () {
    const { connect } = yield* EmbeddedPostgres.EmbeddedPostgres
    yield* poolConnections("limit", embeddedConnections)
    return Layer.orDie(
      PgClient.layer({
        ...naming,
        // The backend has one user and one database; it takes any name for both, but the client insists on them.
        username: "postgres",
        database: "postgres",
        stream: connect,
        maxConnections: embeddedConnections
      })
    )
  })
)

export interface ClientOptions {
  /** Told what happens while the embedded database is made. */
  readonly onProgress?: (message: string) => Effect.Effect<void>
}

type Clients = PgClient.PgClient | SqlClient.SqlClient

/** Why there is no database. */
export type StartError = EmbeddedPostgres.StartError | DatabaseUnreachable | DatabaseUnsupported

/** One client for both: PostgreSQL at `DATABASE_URL`, else the embedded database under `DEVOPS_MCP_HOME`. */
export const layer = (options: ClientOptions = {}) =>
  Layer.unwrap(
    Effect.gen(function* (): Effect.fn.Return<Layer.Layer<Clients, StartError>, Config.ConfigError> {
      const url = yield* databaseUrl
      if (Option.isSome(url)) return server(url.value)
      const directory = yield* home
      return embeddedClient.pipe(Layer.provide(EmbeddedPostgres.layer({ ...options, directory })))
    })
  )
