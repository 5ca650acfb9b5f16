import { apiClient } from "@devops-mcp/contract/ApiClient"
import { gitHubDeliveries } from "@devops-mcp/testing/GitHubDeliveries"
import { runProgram } from "@devops-mcp/testing/Program"
import { ensureTemplate, testEnvironment } from "@devops-mcp/testing/TestDatabase"
import * as PgClient from "@effect/sql-pg/PgClient"
import { sign } from "@octokit/webhooks-methods"
import { Config, Context, type Duration, Effect, FileSystem, Layer, Option, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { ServerFailed, type Settings, startScript } from "../Server.ts"
import { makeBackendSeconds } from "./Backends.ts"
import { freshId, type LoadRequest } from "../Wire.ts"

/** Where jobs wait; deliveries in SQS in a queue that keeps their order, or in one that does not. */
export const queues = ["postgres", "sqs, FIFO", "sqs, standard"] as const
export type Queue = (typeof queues)[number]

const settings = Config.all({
  AWS_ENDPOINT_URL: Config.String("AWS_ENDPOINT_URL"),
  AWS_REGION: Config.String("AWS_REGION"),
  AWS_ACCESS_KEY_ID: Config.String("AWS_ACCESS_KEY_ID"),
  AWS_SECRET_ACCESS_KEY: Config.String("AWS_SECRET_ACCESS_KEY")
})

/** The emulator of Amazon SQS; real queues are never measured, for they cost money and would stay. */
export const emulator = Config.option(settings)

const queueEnvironment = Effect.fnUntraced(function* (queue: Queue, prefix: string) {
  if (queue === "postgres") return { QUEUE_DRIVER: "postgres" }
  return {
    ...(yield* settings),
    QUEUE_DRIVER: "sqs",
    SQS_AUTO_CREATE: "true",
    SQS_QUEUE_PREFIX: prefix,
    SQS_FIFO: String(queue === "sqs, FIFO")
  }
})

/** What a push looks like, as GitHub publishes it. */
const push = Option.fromUndefinedOr(gitHubDeliveries.find(({ type }) => type === "push"))

/** A fresh migrated database on the server, with the API and one webhook on it. Nothing of it is left afterwards. */
export const makeInstance = Effect.fnUntraced(function* (
  { env, key }: Settings,
  queue: Queue,
  more: Readonly<Record<string, string>> = {}
) {
  const fs = yield* FileSystem.FileSystem
  yield* ensureTemplate
  const database = yield* testEnvironment
  const prefix = `bench-${randomBytes(4).toString("hex")}`
  const environment = {
    ...env,
    ...database,
    ...(yield* queueEnvironment(queue, prefix)),
    DEVOPS_MCP_HOME: yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-bench-" }),
    LOG_LEVEL: "warn",
    PORT: "0"
  }
  const url = Redacted.make(environment.DATABASE_URL ?? "")

  const launch = Effect.fnUntraced(function* (name: "api" | "worker", own: Readonly<Record<string, string>> = {}) {
    const program = yield* runProgram([name], { ...environment, ...own })
    const address = yield* program.line(/is ready at (http\S+)/)
    return { url: address, pid: program.child.pid ?? 0, stop: program.signal("SIGTERM") }
  })

  const sql = Context.get(yield* Layer.build(PgClient.layer({ url, maxConnections: 1 })), SqlClient.SqlClient)
  const api = yield* launch("api", more)
  const client = yield* apiClient(api.url, key)
  const webhook = yield* client.webhooks.create({ payload: { source: "github", name: "bench" } })
  const [row] = yield* sql<{ readonly tenantId: string }>`
    select tenant_id as "tenantId" from webhooks where id = ${webhook.id}`
  const { body } = yield* Effect.fromOption(push)
  const delivery: LoadRequest = {
    url: new URL(new URL(webhook.url).pathname, api.url),
    headers: {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": freshId,
      "x-hub-signature-256": yield* Effect.promise(() => sign(webhook.secret, body))
    },
    body,
    status: 202,
    expected: '"status":"accepted"'
  }

  const bare = yield* startScript("events/BareTransactions.ts", [], { DATABASE_URL: Redacted.value(url) })

  const count = (events: string, table: string) =>
    Effect.map(
      sql<{ readonly found: number }>`select count(*)::int as found from ${sql(table)} where ${sql.literal(events)}`,
      ([counted]) => counted?.found ?? 0
    )

  return {
    queue,
    prefix,
    url,
    api,
    bare,
    launch,
    delivery,
    rows: { tenantId: row?.tenantId ?? "", webhookId: webhook.id, payload: body },
    backendSeconds: yield* makeBackendSeconds(sql),
    checkpoint: Effect.asVoid(sql`checkpoint`),
    processed: count("status = 'processed'", "events"),
    /** Deliveries that came by the API; the bare ones have their own id as the sender's. */
    accepted: count("external_id <> id::text", "deliveries")
  }
})

export type Instance = Effect.Success<ReturnType<typeof makeInstance>>

/** Asks often until a number is large enough, and tells it. */
export const atLeast = <E, R>(wanted: number, count: Effect.Effect<number, E, R>, within: Duration.Duration) =>
  count.pipe(
    Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: (found) => found >= wanted }),
    Effect.timeoutOrElse({
      duration: within,
      orElse: () => Effect.fail(new ServerFailed({ detail: `The worker has not processed ${wanted} events in time` }))
    })
  )
