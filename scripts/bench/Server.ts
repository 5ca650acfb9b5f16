import { redisUrl } from "@devops-mcp/cache/RedisConnection"
import { generateApiKey } from "@devops-mcp/core/access/ApiKeySecret"
import { databaseUrl } from "@devops-mcp/database/Settings"
import { runStart } from "@devops-mcp/testing/Program"
import { Clock, Config, Duration, Effect, Option, Redacted, Schedule, Schema, Stream } from "effect"
import { HttpClient } from "effect/http"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

/** A process that serves, and tells at `/metrics` what it uses. */
export interface Server {
  readonly url: string
  readonly pid: number
}

/** Time between two readings, and the share of one processor below which a server counts as idle. */
const idle = { interval: Duration.millis(300), share: 0.1, longestWait: Duration.seconds(15) }

/** The server is not what this program can measure. */
export class ServerFailed extends Schema.TaggedError<ServerFailed>()("ServerFailed", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** Which stores the server works on, as its environment has them. */
export const stores = Config.all({ database: databaseUrl, redis: Config.option(redisUrl) })

/** The environment of every server of this run, and the key that works on them. */
export const makeSettings = Effect.gen(function* () {
  const { database, redis } = yield* stores
  // A key that nobody else knows: the database may be one that stays.
  const key = Redacted.value(yield* generateApiKey)
  const env = {
    DEVOPS_MCP_BOOTSTRAP_API_KEY: key,
    RATE_LIMIT_PER_MINUTE: "1000000000",
    ...(Option.isSome(database) ? { DATABASE_URL: Redacted.value(database.value) } : {}),
    ...(Option.isSome(redis) ? { REDIS_URL: Redacted.value(redis.value).href } : {})
  }
  return { key, env }
})

export type Settings = Effect.Success<typeof makeSettings>

/** Runs `devops-mcp start` on a home folder until its scope closes, and tells how long it took to its ready line. */
export const startServer = Effect.fnUntraced(function* (
  { env }: Settings,
  home: string,
  more: Readonly<Record<string, string>> = {}
) {
  const startedAt = yield* Clock.currentTimeNanos
  const program = yield* runStart({ ...env, ...more, DEVOPS_MCP_HOME: home })
  const seconds = Number((yield* Clock.currentTimeNanos) - startedAt) / 1e9
  return { ...program, pid: program.child.pid ?? 0, seconds } satisfies Server & Record<string, unknown>
})

/** Runs a script of this folder until the scope closes; the first line that it prints is its address. */
export const startScript = Effect.fnUntraced(function* (
  name: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const file = fileURLToPath(new URL(name, import.meta.url))
  const command = ChildProcess.make(process.execPath, [file, ...args], { stderr: "inherit", env, extendEnv: true })
  const { pid, stdout } = yield* spawner.spawn(command)
  const url = yield* stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    // The server may have logged something before it says where it is.
    Stream.filter((line) => line.startsWith("http://")),
    Stream.runHead,
    Effect.flatMap(Effect.fromOption)
  )
  return { url, pid } satisfies Server
})

/** The plain `node:http` server. */
export const startBaseline = startScript("Baseline.ts", [])

/** The SDK's server, with one tool that returns what is given. */
export const startBareSdk = (result: string, env?: Readonly<Record<string, string>>) =>
  startScript("BareSdk.ts", [result], env)

/** The server that has one route behind more and more of what authenticates and limits, on a home folder of its own. */
export const startAuthServer = ({ env }: Settings, home: string) =>
  startScript("AuthServer.ts", [], {
    ...env,
    DEVOPS_MCP_HOME: home,
    PORT: "0",
    LOG_LEVEL: "warn",
    TRUSTED_PROXIES: "127.0.0.1",
    RATE_LIMIT_ADDRESS_PER_MINUTE: "1000000000"
  })

const valueOf = (metrics: string, name: string) => {
  const found = new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1]
  return found === undefined
    ? Effect.fail(new ServerFailed({ detail: `The server's metrics do not have ${name}` }))
    : Effect.succeed(Number(found))
}

/** Processor time and resident memory of the whole process, its threads included. */
export const usage = Effect.fnUntraced(function* ({ url }: Server) {
  const metrics = yield* Effect.flatMap(HttpClient.get(`${url}/metrics`), (response) => response.text)
  return {
    cpuSeconds: yield* valueOf(metrics, "process_cpu_seconds_total"),
    residentBytes: yield* valueOf(metrics, "process_resident_memory_bytes")
  }
})

/** Waits until nothing goes on behind the answers any more, such as indexing what was just stored. */
export const awaitIdle = (server: Server) =>
  Effect.gen(function* () {
    const before = yield* usage(server)
    yield* Effect.sleep(idle.interval)
    const after = yield* usage(server)
    return after.cpuSeconds - before.cpuSeconds
  }).pipe(
    Effect.repeat({
      schedule: Schedule.forever,
      until: (cpuSeconds) => cpuSeconds < idle.share * Duration.toSeconds(idle.interval)
    }),
    Effect.timeoutOrElse({
      duration: idle.longestWait,
      orElse: () =>
        Effect.fail(new ServerFailed({ detail: "The server is busy without having been asked for anything" }))
    })
  )
