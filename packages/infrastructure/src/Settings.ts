import { redisUrl } from "@devops-mcp/cache/RedisConnection"
import { databaseUrl, home } from "@devops-mcp/database/Settings"
import { embeddingProvider } from "@devops-mcp/embeddings/EmbeddingsLive"
import { storageSettings } from "@devops-mcp/storage/StorageLive"
import { ApiKeySecret } from "@devops-mcp/core/access/ApiKeySecret"
import { ByteSize, Config, Layer, Effect, Schema } from "effect"

/** Where a program listens. Port 0 takes a free one. */
export const listenAddress = Config.all({
  host: Config.NonEmptyString("HOST").pipe(Config.withDefault("127.0.0.1")),
  port: Config.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })), "PORT").pipe(
    Config.withDefault(8080)
  )
})

/** How large a request's body may be: `MAX_BODY_BYTES`, 4 MiB when absent, 1 GiB at most. */
export const maxBodyBytes = Config.schema(
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 30 })),
  "MAX_BODY_BYTES"
).pipe(Config.withDefault(4 * 2 ** 20), Config.map(ByteSize.bytes))

/** Web origins that browsers may call from. */
export const corsOrigins = Config.Array(Schema.String, "CORS_ORIGINS").pipe(
  Config.withDefault<ReadonlyArray<string>>([]),
  Config.map((origins) => origins.map((origin) => origin.trim()).filter((origin) => origin !== ""))
)

/** Address that others reach us at; absent: what a request says. */
export const publicUrl = Config.option(Config.URL("PUBLIC_URL"))

/** Jobs at once in one worker. */
export const workerConcurrency = Config.schema(
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 256 })),
  "WORKER_CONCURRENCY"
).pipe(Config.withDefault(16))

/** Where jobs wait. */
export const queueDriver = Config.schema(
  Schema.Literal("postgres").annotate({ expected: "'postgres', the one driver of this version" }),
  "QUEUE_DRIVER"
).pipe(Config.withDefault("postgres"))

/** A first key chosen by the operator. */
export const bootstrapKey = Config.option(
  Config.schema(
    Schema.RedactedFromValue(
      Schema.String.check(
        Schema.makeFilter(Schema.is(ApiKeySecret), {
          expected: "'dmk_' and 32 to 200 characters of A-Z, a-z, 0-9, _ and -"
        })
      )
    ),
    "DEVOPS_MCP_BOOTSTRAP_API_KEY"
  )
)

/** Reads every setting, so that a wrong one is reported before anything is opened. */
export const checkSettings = Effect.asVoid(
  Effect.all([
    listenAddress,
    maxBodyBytes,
    corsOrigins,
    publicUrl,
    workerConcurrency,
    queueDriver,
    bootstrapKey,
    home,
    databaseUrl,
    Config.option(redisUrl),
    embeddingProvider,
    storageSettings
  ])
)

export const SettingsLive = Layer.effectDiscard(checkSettings)
