import { apiClient } from "@devops-mcp/contract/ApiClient"
import { gitHubDeliveries, postDelivery } from "@devops-mcp/testing/GitHubDeliveries"
import { connectHttp } from "@devops-mcp/testing/McpClients"
import { checkout, runProgram } from "@devops-mcp/testing/Program"
import { testEnvironment } from "@devops-mcp/testing/TestDatabase"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"

const key = `dmk_${"programs-test-".repeat(3)}`

const environment = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  return {
    ...(yield* testEnvironment),
    DEVOPS_MCP_HOME: yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" }),
    DEVOPS_MCP_BOOTSTRAP_API_KEY: key,
    GIT_ROOTS: checkout,
    LOG_LEVEL: "warn",
    PORT: "0"
  }
})

const launch = Effect.fnUntraced(function* (name: string, env: Record<string, string>) {
  const program = yield* runProgram([name], env)
  return { ...program, url: yield* program.line(/is ready at (http\S+)/) }
})

const status = (url: string) => Effect.promise(() => fetch(url).then((response) => response.status))

const onServer = process.env["DATABASE_URL"] !== undefined

layer(Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("the three programs", (it) => {
  // Three processes need a database that three processes can open.
  it.effect.skipIf(!onServer)(
    "work together as three processes, and each says how it is",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        const [api, mcp, worker] = yield* Effect.all([launch("api", env), launch("mcp", env), launch("worker", env)], {
          concurrency: 3
        })
        for (const { url } of [api, mcp, worker]) {
          for (const path of ["/livez", "/readyz", "/metrics"]) assert.strictEqual(yield* status(`${url}${path}`), 200)
        }
        const client = yield* apiClient(api.url, key)
        const webhook = yield* client.webhooks.create({ payload: { source: "github", name: "test" } })
        const deliveries = gitHubDeliveries.filter((delivery) => delivery.type === "member" || delivery.type === "push")
        for (const delivery of deliveries) {
          assert.strictEqual((yield* postDelivery(webhook.url, webhook.secret, delivery)).status, 202)
        }
        yield* client.events.list({ query: { limit: 200 } }).pipe(
          Effect.repeat({
            schedule: Schedule.spaced("200 millis"),
            until: ({ items }) => items.filter((event) => event.status === "processed").length === deliveries.length
          })
        )
        const peer = yield* connectHttp("SDK 2 auto", `${mcp.url}/mcp`, key)
        const found = yield* peer.callTool("knowledge_search", { query: "someone was added as a collaborator" })
        assert.match(found.content[0]?.text ?? "", /member/)

        const revoked = yield* client.apiKeys.create({ payload: { name: "short-lived", role: "viewer" } })
        yield* connectHttp("SDK 2 auto", `${mcp.url}/mcp`, revoked.key)
        yield* client.apiKeys.revoke({ params: { id: revoked.id } })
        yield* connectHttp("SDK 2 auto", `${mcp.url}/mcp`, revoked.key).pipe(
          Effect.exit,
          Effect.repeat({
            schedule: Schedule.spaced("100 millis"),
            until: (exit) => exit._tag === "Failure",
            times: 20
          }),
          Effect.map((exit) => assert.strictEqual(exit._tag, "Failure"))
        )
        for (const program of [api, mcp, worker]) assert.strictEqual(yield* program.signal("SIGTERM"), 0)
      }),
    90_000
  )

  it.effect.skipIf(!onServer)(
    "refuse to start on an old schema until it is migrated",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        const database = PgClient.layer({ url: Redacted.make(env.DATABASE_URL ?? "") })
        yield* Effect.provide(
          SqlClient.SqlClient.use((sql) =>
            sql`drop schema public cascade`.pipe(Effect.andThen(sql`create schema public`))
          ),
          database
        )
        for (const name of ["api", "mcp", "worker"]) {
          const program = yield* runProgram([name], env)
          assert.strictEqual(yield* program.ended, 1)
          assert.match(program.output.stderr, /^devops-mcp: The database's schema is at version 0 [^\n]+ migrate'\n$/)
        }
        const migrate = yield* runProgram(["migrate"], env)
        assert.strictEqual(yield* migrate.ended, 0)
        assert.match(migrate.output.stdout, /^Migrated 0001_tenants\n/)
        const again = yield* runProgram(["migrate"], env)
        assert.strictEqual(yield* again.ended, 0)
        assert.strictEqual(again.output.stdout, "The database's schema is up to date\n")
        yield* launch("api", env)
      }),
    90_000
  )

  it.effect(
    "doctor finds nothing wrong here, and says what is when something is",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        const well = yield* runProgram(["doctor"], env)
        assert.strictEqual(yield* well.ended, 0, well.output.stdout)
        assert.match(well.output.stdout, /^ok {4}node/)
        const { ENCRYPTION_KEY: _, ...withoutKey }: Record<string, string> = env
        const ill = yield* runProgram(["doctor"], { ...withoutKey, DATABASE_URL: "postgres://u:s3cret@127.0.0.1:1/x" })
        assert.strictEqual(yield* ill.ended, 1)
        assert.match(ill.output.stdout, /FAIL {2}database +The database at 127\.0\.0\.1:1\/x cannot be reached/)
        assert.notInclude(ill.output.stdout + ill.output.stderr, "s3cret")
        // Replicas would not share the key file of this home.
        assert.match(ill.output.stdout, /warn {2}secrets +.*ENCRYPTION_KEY/)
        assert.match(well.output.stdout, /ok {4}secrets/)
      }),
    90_000
  )
})
