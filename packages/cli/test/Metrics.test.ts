import { apiClient } from "@devops-mcp/contract/ApiClient"
import { gitHubDeliveries, postDelivery } from "@devops-mcp/testing/GitHubDeliveries"
import { connectHttp } from "@devops-mcp/testing/McpClients"
import { checkout, runStart } from "@devops-mcp/testing/Program"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Schedule } from "effect"

const key = `dmk_${"metrics-test-".repeat(3)}`

/** The names that outsiders rely on. */
const contract = [
  "http_server_request_duration_seconds",
  "mcp_request_duration_seconds",
  "tool_execution_duration_seconds",
  "webhook_deliveries_total",
  "queue_depth",
  "queue_oldest_age_seconds",
  "job_duration_seconds",
  "jobs_total",
  "embedding_duration_seconds",
  "db_pool_connections",
  "db_query_duration_seconds",
  "circuit_breaker_state",
  "rate_limit_rejections_total",
  "cache_requests_total",
  "outbox_lag_seconds"
]

const get = (url: string, headers: Record<string, string> = {}) =>
  Effect.promise(async () => {
    const answer = await fetch(url, { headers })
    return { status: answer.status, text: await answer.text() }
  })

layer(Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("/metrics of a program that works", (it) => {
  it.effect(
    "has every name of the contract, with samples",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const { url } = yield* runStart({
          DEVOPS_MCP_HOME: yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" }),
          DEVOPS_MCP_BOOTSTRAP_API_KEY: key,
          GIT_ROOTS: checkout,
          RATE_LIMIT_PER_MINUTE: "120"
        })
        const client = yield* apiClient(url, key)
        const webhook = yield* client.webhooks.create({ payload: { source: "github", name: "test" } })
        const delivery = gitHubDeliveries.find(({ type }) => type === "push")
        assert.isDefined(delivery)
        assert.strictEqual((yield* postDelivery(webhook.url, webhook.secret, delivery)).status, 202)
        yield* client.events.list({ query: {} }).pipe(
          Effect.repeat({
            schedule: Schedule.spaced("500 millis"),
            until: ({ items }) => items.some(({ status }) => status === "processed")
          })
        )
        const peer = yield* connectHttp("SDK 2 auto", `${url}/mcp`, key)
        yield* peer.callTool("git_log", {})
        const { key: busy } = yield* client.apiKeys.create({ payload: { name: "busy", role: "viewer" } })
        yield* get(`${url}/api/v1/me`, { authorization: `Bearer ${busy}` }).pipe(
          Effect.repeat({ until: ({ status }) => status === 429, times: 1_000 })
        )
        assert.strictEqual((yield* get(`${url}/readyz`)).status, 200)

        const { text } = yield* get(`${url}/metrics`)
        const sampled = new Set(
          text.split("\n").map((line) => /^([a-z_]+?)(?:_bucket|_sum|_count)?[{ ]/.exec(line)?.[1])
        )
        assert.deepStrictEqual(
          contract.filter((name) => !sampled.has(name)),
          []
        )
        assert.match(text, /^process_\w+ \d/m)
        assert.match(text, /^nodejs_\w+ \d/m)
        assert.match(text, /^circuit_breaker_state\{service="oauth"\} 0$/m)
        assert.match(text, /^db_pool_connections\{state="limit"\} 8$/m)
        assert.match(text, /^db_query_duration_seconds_count\{operation="\w+\.\w+"\} [1-9]/m)
        assert.match(text, /^embedding_duration_seconds_count\{model="[^"]+"\} [1-9]/m)
        assert.match(text, /^cache_requests_total\{operation="get",result="miss"\} [1-9]/m)
        // Nobody's addresses, names or keys are labels.
        assert.notInclude(text, webhook.id)
      }),
    120_000
  )
})
