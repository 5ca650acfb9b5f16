import { apiClient } from "@devops-mcp/contract/ApiClient"
import * as EmbeddingsServer from "@devops-mcp/testing/EmbeddingsServer"
import { gitHubDeliveries, postDelivery } from "@devops-mcp/testing/GitHubDeliveries"
import { connectHttp } from "@devops-mcp/testing/McpClients"
import { runProgram, runStart } from "@devops-mcp/testing/Program"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Schedule, Schema } from "effect"

const key = `dmk_${"dead-letters-test-".repeat(3)}`

const queue = "deliveries" as const

const Letters = Schema.Struct({
  items: Schema.Array(Schema.Struct({ id: Schema.String, error: Schema.String, attempts: Schema.Int }))
})

type Client = Effect.Success<ReturnType<typeof apiClient>>

/** Events say where their jobs are; asked until it is so, within the suite's own time limit. */
const untilStatuses = (client: Client, ...statuses: ReadonlyArray<string>) =>
  client.events.list({ query: {} }).pipe(
    Effect.map(({ items }) => items.map(({ status }) => status).toSorted()),
    Effect.repeat({
      schedule: Schedule.spaced("200 millis"),
      until: (found) => found.join() === statuses.join()
    })
  )

layer(Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici), {
  excludeTestServices: true,
  timeout: "120 seconds"
})("deliveries whose jobs fail for good", (it) => {
  it.effect(
    "show up over REST, on the command line and over MCP, and are processed once they are put back",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const provider = yield* EmbeddingsServer.make(1_536)
        const DEVOPS_MCP_HOME = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" })
        const program = yield* runStart({
          DEVOPS_MCP_HOME,
          DEVOPS_MCP_BOOTSTRAP_API_KEY: key,
          EMBEDDING_PROVIDER: "openai",
          OPENAI_API_KEY: EmbeddingsServer.apiKey,
          OPENAI_BASE_URL: provider.url,
          LOG_LEVEL: "none"
        })
        const client = yield* apiClient(program.url, key)
        const webhook = yield* client.webhooks.create({ payload: { source: "github", name: "test" } })
        const deliver = Effect.forEach(
          gitHubDeliveries.filter(({ type }) => type === "member").slice(0, 3),
          (delivery) => postDelivery(webhook.url, webhook.secret, delivery)
        )

        // The provider refuses our key three times, and does its work from then on.
        provider.faults.push({ status: 401 }, { status: 401 }, { status: 401 })
        assert.deepStrictEqual(
          (yield* deliver).map(({ status }) => status),
          [202, 202, 202]
        )
        yield* untilStatuses(client, "failed", "failed", "failed")
        assert.lengthOf(provider.requests, 3)

        const cli = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
          const { ended, output } = yield* runProgram(["queues", ...args], { DEVOPS_MCP_HOME })
          return { code: yield* ended, ...output }
        })

        const { items } = yield* client.queues.deadLetters({ params: { name: queue }, query: {} })
        assert.lengthOf(items, 3)
        for (const letter of items) {
          assert.deepInclude(letter, { queue, type: "IngestDelivery", attempts: 1, redrives: 0 })
          assert.include(letter.error, "The API key was refused")
          assert.notInclude(JSON.stringify(letter), EmbeddingsServer.apiKey)
        }
        const [third, second, first] = items
        if (!first || !second || !third) return yield* Effect.die("There are three")
        const { items: states } = yield* client.queues.list()
        assert.deepInclude(
          states.find(({ name }) => name === queue),
          { depth: 0, inFlight: 0, deadLetters: 3, oldestAgeSeconds: 0 }
        )

        const listed = yield* cli("list")
        assert.match(listed.stdout, /^deliveries +0 +0 +3 +-$/m)
        const table = yield* cli("dead-letters", queue)
        assert.strictEqual(table.stdout.trimEnd().split("\n").length, 4)
        assert.match(table.stdout, new RegExp(`^${first.id} +IngestDelivery .*The API key was refused$`, "m"))
        const shown = yield* cli("show", queue, first.id)
        assert.deepStrictEqual([listed.code, table.code, shown.code], [0, 0, 0])
        assert.match(shown.stdout, /^error +The embedding model could not embed the text: .*refused$/m)
        assert.include(shown.stdout, '"_tag": "IngestDelivery"')

        const peer = yield* connectHttp("SDK 2 auto", `${program.url}/mcp/x/queues`, key)
        const page = yield* Effect.flatMap(peer.callTool("dead_letters_list", { queue }), ({ structuredContent }) =>
          Schema.decodeUnknownEffect(Letters)(structuredContent)
        )
        assert.deepStrictEqual(
          page.items,
          items.map(({ attempts, error, id }) => ({ id, error, attempts }))
        )

        // One over each of the three.
        const overMcp = yield* peer.callTool("dead_letters_redrive", { queue, ids: [first.id] })
        assert.deepStrictEqual(overMcp.structuredContent, { redriven: 1 })
        yield* untilStatuses(client, "failed", "failed", "processed")
        const payload = { ids: [second.id] }
        assert.deepStrictEqual(yield* client.queues.redrive({ params: { name: queue }, payload }), { redriven: 1 })
        yield* untilStatuses(client, "failed", "processed", "processed")
        const missing = yield* cli("redrive", queue, first.id)
        assert.deepStrictEqual([missing.code, missing.stdout], [1, "Redriven 0\n"])
        const gone = yield* cli("show", queue, first.id)
        assert.deepStrictEqual([gone.code, gone.stdout], [1, ""])
        assert.match(gone.stderr, /^devops-mcp: No dead letter [^\n]+\n$/)
        const all = yield* cli("redrive", queue, "--all")
        assert.deepStrictEqual([all.code, all.stdout, all.stderr], [0, "Redriven 1\n", ""])
        yield* untilStatuses(client, "processed", "processed", "processed")
        const search = yield* client.search.search({ payload: { query: "member", limit: 10 } })
        assert.lengthOf(
          search.items.filter(({ kind }) => kind === "event"),
          3
        )

        // What is decided against stays readable, and is out of the way.
        provider.faults.push({ status: 401 })
        const delivery = gitHubDeliveries.find(({ type }) => type === "push")
        if (delivery === undefined) return yield* Effect.die("GitHub publishes pushes")
        yield* postDelivery(webhook.url, webhook.secret, delivery)
        yield* untilStatuses(client, "failed", "processed", "processed", "processed")
        const discarded = yield* cli("discard", queue, "--all", "--reason", "Of no use")
        assert.deepStrictEqual([discarded.code, discarded.stdout], [0, "Discarded 1\n"])
        assert.deepStrictEqual(yield* client.queues.redrive({ params: { name: queue }, payload: undefined }), {
          redriven: 0
        })
        assert.strictEqual(yield* program.signal("SIGTERM"), 0)

        // Without an instance the command opens the home itself.
        assert.match((yield* cli("dead-letters", queue, "--discarded")).stdout, / Of no use$/m)
      }),
    240_000
  )
})
