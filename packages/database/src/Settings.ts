import { Config, Schema } from "effect"

/** Whether a URL is one of a PostgreSQL server. */
export const isPostgres = ({ protocol }: URL): boolean => protocol === "postgres:" || protocol === "postgresql:"

/** The folder that embedded stores live in. */
export const home = Config.String("DEVOPS_MCP_HOME").pipe(Config.withDefault("./.devops-mcp"))

const DatabaseUrl = Schema.String.check(
  Schema.makeFilter(
    (text) => {
      const url = URL.parse(text)
      return url !== null && isPostgres(url)
    },
    { expected: "a URL that begins with postgres:// or postgresql://" }
  )
)

/** The server to use, absent for the embedded database; what is wrong with it is said without its value. */
export const databaseUrl = Config.option(Config.schema(Schema.RedactedFromValue(DatabaseUrl), "DATABASE_URL"))
