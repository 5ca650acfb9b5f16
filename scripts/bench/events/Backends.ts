import { Effect, FileSystem, Option } from "effect"
import type { SqlClient } from "effect/sql"

/** What Linux counts processor time in, everywhere that Node runs. */
const ticksPerSecond = 100

/** The name is in parentheses and may hold any characters; user and system time are the 12th and 13th field after it. */
const secondsOf = (stat: string): Option.Option<number> => {
  const end = stat.lastIndexOf(")")
  if (!stat.slice(0, end).endsWith("(postgres")) return Option.none()
  const fields = stat.slice(end + 2).split(" ")
  return Option.some((Number(fields[11]) + Number(fields[12])) / ticksPerSecond)
}

/**
 * The processor time that a database's server processes have used so far, in seconds: where the server is on this machine.
 * Between two questions no connection must end.
 */
export const makeBackendSeconds = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const fs = yield* FileSystem.FileSystem
  return Effect.gen(function* () {
    const backends = yield* sql<{ readonly pid: number }>`
      select pid from pg_stat_activity where datname = current_database() and backend_type = 'client backend'`
    const seconds = yield* Effect.forEach(backends, ({ pid }) =>
      Effect.map(Effect.option(fs.readFileString(`/proc/${pid}/stat`)), Option.flatMap(secondsOf))
    )
    return Option.map(Option.all(seconds), (all) => all.reduce((sum, own) => sum + own, 0))
  })
})
