import { databaseUrl, home } from "@devops-mcp/database/Settings"
import { redisUrl } from "@devops-mcp/cache/RedisConnection"
import { queueDriver } from "@devops-mcp/queue/QueueSettings"
import { storageSettings } from "@devops-mcp/storage/StorageLive"
import { Config, Effect, Option, Redacted } from "effect"

const place = (name: string, external: Option.Option<string>, embedded: string) =>
  `  ${name.padEnd(10)} ${Option.getOrElse(external, () => embedded)}`

const hostOf = (url: string) => {
  const parsed = URL.parse(url)
  return parsed === null ? "external" : `${parsed.protocol}//${parsed.host}${parsed.pathname}`
}

/** What `start` prints once it is ready: where things are and how to connect. Plain text, at most 20 lines. */
export const banner = Effect.fnUntraced(function* (options: {
  readonly url: string
  readonly firstKey: Option.Option<Redacted.Redacted>
  readonly seconds: number
}) {
  const { firstKey, seconds, url } = options
  const folder = yield* home
  const database = Option.map(yield* databaseUrl, (value) => `external, ${hostOf(Redacted.value(value))}`)
  const redis = Option.map(yield* Config.option(redisUrl), (value) => `external, ${hostOf(Redacted.value(value).href)}`)
  const driver = yield* queueDriver
  const bucket = Option.map((yield* storageSettings).bucket, (name) => `external, the S3 bucket ${name}`)
  const provider = yield* Config.String("EMBEDDING_PROVIDER").pipe(Config.withDefault("local"))
  const key = Option.match(firstKey, { onNone: () => "YOUR-API-KEY", onSome: Redacted.value })
  return [
    `DevOps MCP is ready after ${seconds.toFixed(1)} s`,
    "",
    place("database", database, `embedded, ${folder}/postgres`),
    place("cache", redis, "embedded, in this process"),
    place("jobs", driver === "sqs" ? Option.some("external, Amazon SQS") : Option.none(), "in the database"),
    place("objects", bucket, `embedded, ${folder}/objects`),
    place(
      "embeddings",
      provider === "local" ? Option.none() : Option.some(`external, ${provider}`),
      "embedded, local model"
    ),
    "",
    `  MCP        ${url}/mcp`,
    `  HTTP API   ${url}/api/v1, documented at ${url}/docs`,
    "",
    ...Option.match(firstKey, {
      onNone: () => ["  API keys   npx devops-mcp keys create --role agent --name NAME"],
      onSome: (secret) => [`  Your first API key, shown only now: ${Redacted.value(secret)}`]
    }),
    "  Connect a client:",
    `    claude mcp add --transport http devops-mcp ${url}/mcp --header "Authorization: Bearer ${key}"`,
    "",
    "  Ctrl-C stops it."
  ].join("\n")
})
