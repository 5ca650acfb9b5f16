import { apiClient } from "@devops-mcp/contract/ApiClient"
import * as EmbeddingsServer from "@devops-mcp/testing/EmbeddingsServer"
import { gitHubDeliveries, postDelivery } from "@devops-mcp/testing/GitHubDeliveries"
import { runProgram } from "@devops-mcp/testing/Program"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Schedule } from "effect"
import { fileURLToPath } from "node:url"

const key = `dmk_${"dying-workers-test-".repeat(3)}`

const twoAttempts = fileURLToPath(new URL("jobs/FewAttempts.ts", import.meta.url))

const params = { name: "deliveries" } as const

/** Asked until it is so, within the suite's own time limit. */
const until = <A, E, R>(effect: Effect.Effect<A, E, R>, predicate: (found: A) => boolean) =>
  Effect.repeat(effect, { schedule: Schedule.spaced("50 millis"), until: predicate })

layer(Layer.merge(NodeServices.layer, NodeHttpClient.layerUndici), {
  excludeTestServices: true,
  timeout: "120 seconds"
})("a job that ends its worker", (it) => {
  it.effect("by kill -9 in each attempt is a dead letter, its event failed, and processed once it is put back", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const provider = yield* EmbeddingsServer.make(1_536)
      const env = {
        DEVOPS_MCP_HOME: yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-test-" }),
        DEVOPS_MCP_BOOTSTRAP_API_KEY: key,
        EMBEDDING_PROVIDER: "openai",
        OPENAI_API_KEY: EmbeddingsServer.apiKey,
        OPENAI_BASE_URL: provider.url,
        LOG_LEVEL: "none",
        PORT: "0"
      }
      const start = Effect.gen(function* () {
        const program = yield* runProgram([], env, twoAttempts)
        return { program, client: yield* apiClient(yield* program.line(/Ready at (http\S+)/), key) }
      })
      /** Waits until the job is in the middle of its work. */
      const working = (attempt: number) =>
        until(
          Effect.sync(() => provider.requests.length),
          (count) => count >= attempt
        )

      provider.faults.push("hang", "hang")
      const first = yield* start
      const { secret, url } = yield* first.client.webhooks.create({ payload: { source: "github", name: "test" } })
      yield* Effect.forEach(gitHubDeliveries.slice(0, 1), (delivery) => postDelivery(url, secret, delivery))
      yield* working(1)
      yield* first.program.signal("SIGKILL")

      const second = yield* start
      yield* working(2)
      assert.deepStrictEqual((yield* second.client.queues.deadLetters({ params, query: {} })).items, [])
      yield* second.program.signal("SIGKILL")

      const { client } = yield* start
      const letters = client.queues.deadLetters({ params, query: {} })
      const { items } = yield* until(letters, (page) => page.items.length > 0)
      assert.deepInclude(items[0], { type: "IngestDelivery", attempts: 2, redrives: 0 })
      assert.include(items[0]?.error, "Its worker stopped without an answer in attempt 2")
      // The provider would have answered: nobody asked it again.
      assert.lengthOf(provider.requests, 2)
      const statuses = Effect.map(client.events.list({ query: {} }), (page) => page.items.map(({ status }) => status))
      assert.deepStrictEqual(yield* statuses, ["failed"])

      yield* client.queues.redrive({ params, payload: {} })
      yield* until(statuses, ([status]) => status === "processed")
      assert.deepStrictEqual((yield* letters).items, [])
    })
  )
})
