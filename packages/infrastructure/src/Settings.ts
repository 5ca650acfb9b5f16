import { redisUrl } from "@devops-mcp/cache/RedisConnection"
import { databaseUrl, home } from "@devops-mcp/database/Settings"
import { embeddingProvider } from "@devops-mcp/embeddings/EmbeddingsLive"
import { queueDriver, sqsSettings } from "@devops-mcp/queue/QueueSettings"
import { storageSettings } from "@devops-mcp/storage/StorageLive"
import { ApiKeySecret } from "@devops-mcp/core/access/ApiKeySecret"
import { ByteSize, Config, Duration, Layer, Effect, Option, Result, Schema, SchemaTransformation } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import { masterKeySource, previousEncryptionKeys } from "./MasterKeySettings.ts"
import { tlsFiles } from "./Tls.ts"

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

const networkOf = (text: string) =>
  Option.orElse(Result.getSuccess(IpNetwork.fromString(text)), () =>
    Option.map(Result.getSuccess(NetAddress.ipFromString(text)), (address) =>
      IpNetwork.fromAddressUnsafe(address, NetAddress.width(address))
    )
  )

/** Whose word about a request's client is taken: addresses and networks of proxies. */
export const trustedProxies: Config.Config<ReadonlyArray<IpNetwork.IpNetwork>> = Config.Array(
  Schema.String.pipe(
    Schema.decode(SchemaTransformation.trim()),
    Schema.check(
      Schema.makeFilter((text: string) => text === "" || Option.isSome(networkOf(text)), {
        expected: "addresses or networks such as 10.0.0.0/8, separated by commas"
      })
    )
  ),
  "TRUSTED_PROXIES"
).pipe(
  Config.withDefault<ReadonlyArray<string>>([]),
  Config.map((texts) => texts.flatMap((text) => Option.toArray(networkOf(text))))
)

const positive = (name: string, maximum = 1_000_000_000) =>
  Config.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })), name)

/** Requests per minute of one credential, one tenant (ten times as many when absent) and one address. */
export const limitSettings = Config.all({
  perCredential: positive("RATE_LIMIT_PER_MINUTE").pipe(Config.withDefault(600)),
  perTenant: Config.option(positive("RATE_LIMIT_TENANT_PER_MINUTE")),
  perAddress: positive("RATE_LIMIT_ADDRESS_PER_MINUTE").pipe(Config.withDefault(6000)),
  tenantConcurrency: positive("TENANT_CONCURRENCY", 100_000).pipe(Config.withDefault(256))
}).pipe(
  Config.map(({ perTenant, ...limits }) => ({
    ...limits,
    perTenant: Option.getOrElse(perTenant, () => limits.perCredential * 10)
  }))
)

/** Address that others reach us at; absent: what a request says. */
export const publicUrl = Config.option(Config.URL("PUBLIC_URL"))

/** Jobs at once in one worker. */
export const workerConcurrency = Config.schema(
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 256 })),
  "WORKER_CONCURRENCY"
).pipe(Config.withDefault(16))

/** How long the audit log is kept: months that ended so many days ago are dropped, 365 when absent, 30 at least. */
export const auditRetention = Config.schema(
  Schema.Int.check(Schema.isBetween({ minimum: 30, maximum: 36_500 })),
  "AUDIT_RETENTION_DAYS"
).pipe(Config.withDefault(365), Config.map(Duration.days))

const keptDays = (name: string, absent: number) =>
  Config.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 36_500 })), name).pipe(
    Config.withDefault(absent),
    Config.map(Duration.days)
  )

/** How long events and what they were made from are kept: months that ended so many days ago are dropped. */
export const retentionSettings = Config.all({
  events: keptDays("EVENT_RETENTION_DAYS", 365),
  deliveries: keptDays("DELIVERY_RETENTION_DAYS", 30)
})

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

const HttpUrl = Schema.URLFromString.check(
  Schema.makeFilter((url) => ["http:", "https:"].includes(url.protocol), {
    expected: "a URL that begins with https:// or http://"
  })
)

const jwtSetting = Schema.String.annotateKey({
  messageMissingKey: "expected a value, as JWT_ISSUER, JWT_AUDIENCE and JWT_JWKS_URL are set together or not at all"
})

const JwtVariables = Schema.Struct({ JWT_ISSUER: jwtSetting, JWT_AUDIENCE: jwtSetting, JWT_JWKS_URL: jwtSetting })

const decodeJwtVariables = Schema.decodeUnknownEffect(JwtVariables)

/** Whose access tokens are accepted, and those for which audience. */
export interface JwtSettings {
  readonly issuer: string
  readonly audience: string
  readonly jwksUrl: URL
}

/** The authorization server; absent: no access tokens. Its three variables come together or not at all. */
export const jwtSettings: Config.Config<Option.Option<JwtSettings>> = Config.all({
  issuer: Config.option(Config.NonEmptyString("JWT_ISSUER")),
  audience: Config.option(Config.NonEmptyString("JWT_AUDIENCE")),
  jwksUrl: Config.option(Config.schema(HttpUrl, "JWT_JWKS_URL"))
}).pipe(
  Config.mapEffect((given): Effect.Effect<Option.Option<JwtSettings>, Config.ConfigError> => {
    const settings = Option.all(given)
    if (
      Option.isSome(settings) ||
      Object.values(given).every((setting: Option.Option<unknown>) => Option.isNone(setting))
    )
      return Effect.succeed(settings)
    const { audience, issuer, jwksUrl } = given
    const present = {
      ...(Option.isSome(issuer) ? { JWT_ISSUER: issuer.value } : {}),
      ...(Option.isSome(audience) ? { JWT_AUDIENCE: audience.value } : {}),
      ...(Option.isSome(jwksUrl) ? { JWT_JWKS_URL: jwksUrl.value.href } : {})
    }
    return decodeJwtVariables(present).pipe(
      Effect.mapError((error) => new Config.ConfigError(error)),
      Effect.as(settings)
    )
  })
)

/** Reads every setting, so that a wrong one is reported before anything is opened. */
export const checkSettings = Effect.asVoid(
  Effect.all([
    listenAddress,
    maxBodyBytes,
    corsOrigins,
    publicUrl,
    trustedProxies,
    limitSettings,
    workerConcurrency,
    auditRetention,
    retentionSettings,
    queueDriver,
    sqsSettings,
    bootstrapKey,
    masterKeySource,
    previousEncryptionKeys,
    tlsFiles,
    jwtSettings,
    home,
    databaseUrl,
    Config.option(redisUrl),
    embeddingProvider,
    storageSettings
  ])
)

export const SettingsLive = Layer.effectDiscard(checkSettings)
