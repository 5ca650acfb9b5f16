import { apiClient } from "@devops-mcp/contract/ApiClient"
import { SearchHits } from "@devops-mcp/contract/KnowledgeApi"
import { AppendReceipt } from "@devops-mcp/contract/McpTools"
import { AgentContext, ContextWindow } from "@devops-mcp/domain/AgentContext"
import { demoPolling, demoTimeout } from "@devops-mcp/resilience/Policies"
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import { sign } from "@octokit/webhooks-methods"
import { Clock, ConfigProvider, Console, Effect, FileSystem, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { FirstKey, StartProgram } from "../Start.ts"
import { localUrl } from "../LocalUrl.ts"

/** The demo could not show what it promises. */
class DemoFailed extends Schema.TaggedError<DemoFailed>()("@devops-mcp/cli/commands/Demo/DemoFailed", {
  detail: Schema.String
}) {
  override get message() {
    return `The demo failed: ${this.detail}`
  }
}

const question = "someone was added as a collaborator"

const Example = Schema.Struct({ name: Schema.String, examples: Schema.NonEmptyArray(Schema.Json) })

const encodeJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** One real payload of every event type that GitHub publishes examples of. */
const payloads = Effect.promise(() => import("@octokit/webhooks-examples", { with: { type: "json" } })).pipe(
  Effect.flatMap((module) => Schema.decodeUnknownEffect(Schema.Array(Example))(module.default)),
  Effect.map((types) => types.map(({ examples: [payload], name }) => ({ type: name, body: encodeJson(payload) })))
)

/** Runs a step and prints what came of it and how long it took. */
const step = <A, E, R>(title: string, effect: Effect.Effect<A, E, R>, outcome: (value: A) => string) =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const value = yield* effect
    const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    yield* Console.log(`${`${seconds.toFixed(2)} s`.padStart(8)}  ${title}: ${outcome(value)}`)
    return value
  })

/** This folder when it is a repository, else a small one made for the demo. */
const repository = Effect.fnUntraced(function* (scratch: string) {
  const fs = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const here = process.cwd()
  if (yield* fs.exists(`${here}/.git`)) return here
  const git = (...args: ReadonlyArray<string>) => spawner.string(ChildProcess.make("git", ["-C", scratch, ...args]))
  yield* git("init", "--quiet")
  yield* fs.writeFileString(`${scratch}/README.md`, "# Demo\n")
  yield* git("add", "README.md")
  yield* git("-c", "user.name=demo", "-c", "user.email=demo@example.com", "commit", "--quiet", "-m", "Add a README")
  return scratch
})

const connect = (url: string, key: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client({ name: "devops-mcp-demo", version: "1" })
      await client.connect(
        new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
          requestInit: { headers: { authorization: `Bearer ${key}` } }
        })
      )
      return client
    }),
    (client) => Effect.promise(() => client.close())
  )

const caller =
  (client: Client) =>
  <S extends Schema.Decoder<unknown>>(
    name: string,
    input: Record<string, unknown>,
    output: S
  ): Effect.Effect<S["Type"], DemoFailed | Schema.SchemaError> =>
    Effect.gen(function* () {
      const result = yield* Effect.promise(() => client.callTool({ name, arguments: input }))
      if (result.isError === true) return yield* new DemoFailed({ detail: `${name}: ${encodeJson(result.content)}` })
      return yield* Schema.decodeUnknownEffect(output)(result.structuredContent)
    })

const GitLog = Schema.Struct({ commits: Schema.Array(Schema.Struct({ subject: Schema.String })) })
const GitRepositories = Schema.Struct({ repositories: Schema.Array(Schema.Struct({ name: Schema.String })) })

const show = Effect.fnUntraced(function* (url: string, key: string) {
  const http = yield* HttpClient.HttpClient
  const api = yield* apiClient(url, key)
  const deliveries = yield* payloads

  yield* step(
    "post signed GitHub webhooks",
    Effect.gen(function* () {
      const webhook = yield* api.webhooks.create({ payload: { source: "github", name: "demo" } })
      yield* Effect.forEach(
        deliveries,
        ({ body, type }, index) =>
          Effect.gen(function* () {
            const signature = yield* Effect.promise(() => sign(webhook.secret, body))
            const response = yield* http.execute(
              HttpClientRequest.post(webhook.url).pipe(
                HttpClientRequest.setHeaders({
                  "x-github-event": type,
                  "x-github-delivery": `demo-${index}`,
                  "x-hub-signature-256": signature
                }),
                HttpClientRequest.bodyText(body, "application/json")
              )
            )
            if (response.status !== 202)
              return yield* new DemoFailed({ detail: `${type} was answered ${response.status}` })
          }),
        { concurrency: 8 }
      )
    }),
    () => `${deliveries.length} accepted, one of each event type`
  )

  yield* step(
    "the worker makes them searchable",
    api.events.list({ query: { limit: 200 } }).pipe(
      Effect.map(({ items }) => items.filter((event) => event.status === "processed").length),
      Effect.repeat({ schedule: demoPolling, until: (processed) => processed === deliveries.length })
    ),
    (processed) => `${processed} events`
  )

  const client = yield* step("connect an MCP client", connect(url, key), () => `at ${url}/mcp`)
  const { tools } = yield* step(
    "list its tools",
    Effect.promise(() => client.listTools()),
    ({ tools }) =>
      `${tools.length}, for example ${tools
        .slice(0, 3)
        .map((tool) => tool.name)
        .join(", ")}`
  )
  const call = caller(client)

  yield* step(
    `knowledge_search "${question}"`,
    call("knowledge_search", { query: question, limit: 5 }, SearchHits).pipe(
      Effect.filterOrFail(
        ({ items }) => items.some((hit) => hit.metadata["type"] === "member"),
        () => new DemoFailed({ detail: "the member event is not among the first five hits" })
      )
    ),
    ({ items }) => items.map((hit, index) => `\n            ${index + 1}. ${String(hit.metadata["title"])}`).join("")
  )

  if (!tools.some((tool) => tool.name === "git_log")) return yield* new DemoFailed({ detail: "there is no git tool" })
  const { repositories } = yield* call("git_repositories", {}, GitRepositories)
  yield* step(
    "git_log of a real repository",
    call("git_log", { repository: repositories[0]?.name, limit: 3 }, GitLog),
    ({ commits }) => commits.map((commit) => `\n            - ${commit.subject}`).join("")
  )

  const context = yield* call("context_create", { name: "demo" }, AgentContext)
  yield* step(
    "append 500 messages to a context",
    call(
      "context_append",
      {
        contextId: context.id,
        items: Array.from({ length: 500 }, (_, index) => ({
          role: index % 2 === 0 ? "user" : "assistant",
          content: `Message ${index + 1}: the deployment of service ${index % 7} finished and its checks are green.`
        }))
      },
      AppendReceipt
    ),
    (appended) => `${appended.context.tokenCount} tokens`
  )
  yield* step(
    "context_get within 2,000 tokens",
    call("context_get", { contextId: context.id, maxTokens: 2000 }, ContextWindow),
    (window) =>
      `${window.items.length} newest messages, ${window.tokenCount} tokens; ${window.omitted.count} older ones left out`
  )
})

/** The main job on real input, in folders of its own that are removed afterwards. */
export const run = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-demo-" })
  const scratch = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-demo-repository-" })
  const config = ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: "0", DEVOPS_MCP_HOME: home }))
  const startedAt = yield* Clock.currentTimeMillis
  const program = StartProgram({ gitRoots: [yield* repository(scratch)], onProgress: () => Effect.void })
  yield* Effect.gen(function* () {
    const url = yield* localUrl
    const key = Option.getOrElse(Option.map(yield* FirstKey, Redacted.value), () => "")
    const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    yield* Console.log(
      `${`${seconds.toFixed(2)} s`.padStart(8)}  start everything in one process, on empty embedded stores`
    )
    yield* Effect.scoped(show(url, key))
    const total = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    yield* Console.log(`${`${total.toFixed(2)} s`.padStart(8)}  in all`)
  }).pipe(Effect.provide(Layer.provideMerge(program, config)))
}).pipe(
  Effect.scoped,
  Effect.timeoutOrElse({
    duration: demoTimeout,
    orElse: () => Effect.fail(new DemoFailed({ detail: "it took too long" }))
  })
)
