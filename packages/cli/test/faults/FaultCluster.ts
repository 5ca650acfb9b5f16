import { apiClient } from "@devops-mcp/contract/ApiClient"
import { checkout, runProgram } from "@devops-mcp/testing/Program"
import { makeSqsFront } from "@devops-mcp/testing/SqsFront"
import { testEnvironment } from "@devops-mcp/testing/TestDatabase"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, FileSystem, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { makeVectors } from "./Vectors.ts"
import { makeWire } from "./Wire.ts"

const key = `dmk_${"faults-test-".repeat(3)}`

const services = `${checkout}/../shared/services/services`

const jumpingClock = fileURLToPath(new URL("jumping-clock.mjs", import.meta.url))

const addressOf = (url: string) => {
  const { hostname: host, port } = new URL(url)
  return { host, port: Number(port) }
}

const throughWire = (url: string, port: number) => {
  const address = new URL(url)
  address.host = `127.0.0.1:${port}`
  return address.href
}

/** Really stops and starts a server of this machine. */
const service = (action: "stop" | "start", name: "postgres" | "redis") =>
  Effect.callback<void>((resume) => {
    execFile(services, [action, name], (error) => resume(error === null ? Effect.void : Effect.die(error)))
  })

/** Whether the servers are ours alone to stop; else only the lines to them are cut. */
const mayStop = process.env["FAULTS"] === "services"

export interface Replica {
  readonly url: string
  readonly kill: Effect.Effect<unknown>
}

/** Two of the HTTP API and two workers, one of which has a clock that jumps, on servers that go away. */
export const makeFaultCluster = Effect.fnUntraced(function* (driver: "postgres" | "sqs") {
  const fs = yield* FileSystem.FileSystem
  const environment: Record<string, string> = yield* testEnvironment
  const vectors = yield* makeVectors
  const wires = {
    postgres: yield* makeWire(addressOf(environment["DATABASE_URL"] ?? "")),
    redis: yield* makeWire(addressOf(environment["REDIS_URL"] ?? "")),
    // Only asked by the scenario that has such a server.
    aws: yield* makeSqsFront(process.env["AWS_ENDPOINT_URL"] ?? "http://127.0.0.1")
  }
  const env = {
    ...environment,
    DATABASE_URL: throughWire(environment["DATABASE_URL"] ?? "", wires.postgres.port),
    REDIS_URL: throughWire(environment["REDIS_URL"] ?? "", wires.redis.port),
    QUEUE_DRIVER: driver,
    SQS_AUTO_CREATE: "true",
    SQS_QUEUE_PREFIX: `faults-${crypto.randomUUID().slice(0, 8)}`,
    AWS_ENDPOINT_URL: wires.aws.url,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    EMBEDDING_PROVIDER: "openai",
    OPENAI_BASE_URL: vectors.url,
    OPENAI_API_KEY: "sk-faults-test-key",
    DEVOPS_MCP_HOME: yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" }),
    DEVOPS_MCP_BOOTSTRAP_API_KEY: key,
    LOG_LEVEL: "error",
    PORT: "0"
  }
  const launch = Effect.fnUntraced(function* (name: "api" | "worker", more: Record<string, string> = {}) {
    const program = yield* runProgram([name], { ...env, ...more })
    const url = yield* program.line(/is ready at (http\S+)/)
    return { url, kill: program.signal("SIGKILL") }
  })
  const jumping = { NODE_OPTIONS: `--import ${jumpingClock}` }
  const apis: Array<Replica> = yield* Effect.replicateEffect(launch("api"), 2, { concurrency: 2 })
  const workers: Array<Replica> = [yield* launch("worker"), yield* launch("worker", jumping)]

  /** Kills a replica without a warning and starts another in its place. */
  const replace = Effect.fnUntraced(function* (replicas: Array<Replica>, name: "api" | "worker", at: number) {
    yield* replicas[at]?.kill ?? Effect.void
    replicas[at] = yield* launch(name)
  })

  const outage = <A, E, R>(name: "postgres" | "redis" | "aws", during: Effect.Effect<A, E, R>) =>
    mayStop && name !== "aws"
      ? service("stop", name).pipe(Effect.andThen(during), Effect.ensuring(service("start", name)))
      : wires[name].cut.pipe(Effect.andThen(during), Effect.ensuring(wires[name].mend))

  /** As the server's own superuser, past row-level security, and past the wire. */
  const client = PgClient.layer({ url: Redacted.make(environment["DATABASE_URL"] ?? ""), maxConnections: 2 })
  const query = <A, E>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
    SqlClient.SqlClient.use(use).pipe(
      Effect.provide(client),
      Effect.retry(Schedule.max([Schedule.spaced("200 millis"), Schedule.recurs(100)]))
    )

  return {
    apis,
    workers,
    vectors,
    outage,
    query,
    api: yield* apiClient(apis[1]?.url ?? "", key),
    address: (() => {
      let turn = 0
      return () => apis[turn++ % apis.length]?.url ?? ""
    })(),
    killWorker: (at: number) => replace(workers, "worker", at),
    killApi: (at: number) => replace(apis, "api", at)
  }
})

export const FaultPlatform = Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici)
