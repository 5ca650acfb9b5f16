import type { Event } from "@devops-mcp/domain/Event"
import type { Page } from "@devops-mcp/domain/Page"
import { apiClient } from "@devops-mcp/contract/ApiClient"
import { callEveryTool } from "@devops-mcp/testing/EveryTool"
import { gitHubDeliveries, postDelivery } from "@devops-mcp/testing/GitHubDeliveries"
import { connectHttp, connectStdio, mcpClients } from "@devops-mcp/testing/McpClients"
import { checkout, runProgram, runStart } from "@devops-mcp/testing/Program"
import { testEnvironment } from "@devops-mcp/testing/TestDatabase"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Schedule } from "effect"

const key = `dmk_${"main-job-test-".repeat(3)}`

const newHome = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" })
)

const environment = Effect.gen(function* () {
  return {
    ...(yield* testEnvironment),
    DEVOPS_MCP_HOME: yield* newHome,
    DEVOPS_MCP_BOOTSTRAP_API_KEY: key,
    GIT_ROOTS: checkout
  }
})

type Client = Effect.Success<ReturnType<typeof apiClient>>

const events = Effect.fnUntraced(function* (client: Client) {
  const items: Array<Event> = []
  let cursor: string | null = null
  do {
    const page: Page<Event> = yield* client.events.list({
      query: { limit: 200, ...(cursor === null ? {} : { cursor }) }
    })
    items.push(...page.items)
    cursor = page.nextCursor
  } while (cursor !== null)
  return items
})

/** The API has no push yet, so a test asks until it is so; the suite's own time limit is the bound. */
const untilProcessed = (client: Client, count: number) =>
  events(client).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("1 second"),
      until: (found) => found.filter((event) => event.status === "processed").length === count
    })
  )

layer(Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici), {
  excludeTestServices: true,
  timeout: "120 seconds"
})("the main job", (it) => {
  it.effect(
    "takes every GitHub payload once, through a kill -9, and an agent finds and uses it",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        const first = yield* runStart(env)
        const webhook = yield* Effect.flatMap(apiClient(first.url, key), (client) =>
          client.webhooks.create({ payload: { source: "github", name: "test" } })
        )
        const path = new URL(webhook.url).pathname

        const accepted = new Map<string, string | undefined>()
        const killAfter = Math.floor(gitHubDeliveries.length / 2)
        yield* Effect.forEach(
          gitHubDeliveries,
          (delivery) =>
            Effect.gen(function* () {
              const answer = yield* postDelivery(`${first.url}${path}`, webhook.secret, delivery)
              assert.strictEqual(answer.status, 202)
              accepted.set(delivery.id, answer.deliveryId)
              if (accepted.size === killAfter) yield* first.signal("SIGKILL")
            }).pipe(Effect.ignore),
          { concurrency: 8, discard: true }
        )
        assert.isAtLeast(accepted.size, killAfter)
        assert.isBelow(accepted.size, gitHubDeliveries.length)

        const second = yield* runStart(env)
        const client = yield* apiClient(second.url, key)
        const postAll = Effect.forEach(
          gitHubDeliveries,
          (delivery) =>
            Effect.map(postDelivery(`${second.url}${path}`, webhook.secret, delivery), (answer) => ({
              delivery,
              answer
            })),
          { concurrency: 8 }
        )
        // The senders repeat everything, as they do after an outage: what was accepted is known, with its first id.
        for (const { answer, delivery } of yield* postAll) {
          assert.strictEqual(answer.status, 202)
          if (accepted.has(delivery.id)) {
            assert.strictEqual(answer.outcome, "duplicate")
            assert.strictEqual(answer.deliveryId, accepted.get(delivery.id))
          }
        }
        const processed = yield* untilProcessed(client, gitHubDeliveries.length)
        assert.strictEqual(processed.length, gitHubDeliveries.length)
        assert.strictEqual(new Set(processed.map((event) => event.deliveryId)).size, gitHubDeliveries.length)
        for (const { answer } of yield* postAll) assert.strictEqual(answer.outcome, "duplicate")
        assert.strictEqual((yield* events(client)).length, gitHubDeliveries.length)

        const refused = Effect.fnUntraced(function* (body: string, secret: string) {
          const id = `bad-${body.length}-${secret.length}`
          const { status } = yield* postDelivery(`${second.url}${path}`, secret, { id, type: "push", body })
          return status
        })
        assert.strictEqual(yield* refused("{}", "not-the-secret"), 401)
        assert.strictEqual(yield* refused("{", webhook.secret), 400)
        assert.strictEqual(yield* refused("[".repeat(100_000), webhook.secret), 400)
        assert.strictEqual(yield* refused(JSON.stringify("x".repeat(5 * 2 ** 20)), webhook.secret), 413)

        const search = yield* client.search.search({
          payload: { query: "someone was added as a collaborator", limit: 5 }
        })
        assert.include(
          search.items.map((hit) => hit.metadata["type"]),
          "member"
        )

        const context = yield* client.contexts.create({ payload: { name: "long" } })
        const items = Array.from({ length: 500 }, (_, index) => ({
          role: index % 3 === 0 ? ("user" as const) : ("assistant" as const),
          content: `message ${index} ${"word ".repeat(index % 20)}`
        }))
        yield* client.contexts.append({ params: { id: context.id }, payload: { items } })
        const window = yield* client.contexts.window({ params: { id: context.id }, query: { maxTokens: 2000 } })
        assert.isAtMost(window.tokenCount, 2000)
        assert.strictEqual(window.items.at(-1)?.content, items.at(-1)?.content)
        assert.strictEqual(window.items.length + window.omitted.count, 500)

        for (const name of mcpClients) {
          const overHttp = Effect.gen(function* () {
            const peer = yield* connectHttp(name, `${second.url}/mcp`, key)
            const tools = yield* peer.listTools
            assert.deepStrictEqual(
              [...(yield* callEveryTool(peer))].toSorted(),
              tools.map((tool) => tool.name).toSorted()
            )
          })
          const overStdio = Effect.gen(function* () {
            const program = yield* runProgram(["mcp", "--stdio"], {
              DEVOPS_MCP_URL: second.url,
              DEVOPS_MCP_API_KEY: key,
              DEVOPS_MCP_HOME: env.DEVOPS_MCP_HOME
            })
            const peer = yield* connectStdio(name, program.child)
            const tools = yield* peer.listTools
            assert.deepStrictEqual(
              [...(yield* callEveryTool(peer))].toSorted(),
              tools.map((tool) => tool.name).toSorted()
            )
          })
          yield* Effect.scoped(overHttp)
          // Every client speaks over every stream in mcp-server's own tests; here one of each era is enough.
          if (name === "SDK 1" || name === "SDK 2 auto") yield* Effect.scoped(overStdio)
        }
        assert.strictEqual(yield* second.signal("SIGTERM"), 0)
        assert.notMatch(second.output.stderr, /error|warn| at /i)
      }),
    180_000
  )

  it.effect(
    "serves MCP over stdio alone, on the home folder itself",
    () =>
      Effect.gen(function* () {
        const env = yield* environment
        const program = yield* runProgram(["mcp", "--stdio"], { ...env, DEVOPS_MCP_API_KEY: key, LOG_LEVEL: "warn" })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const peer = yield* connectStdio("SDK 2 auto", program.child)
            const log = yield* peer.callTool("git_log", { limit: 1 })
            assert.notStrictEqual(log.isError, true)
          })
        )
        assert.strictEqual(yield* program.ended, 0)
      }),
    60_000
  )
})
