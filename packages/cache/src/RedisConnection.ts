import { redisCommandTimeout, redisConnectTimeout, redisReconnectDelay } from "@devops-mcp/resilience/Policies"
import { Config, Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import type { Redis } from "ioredis"

/** Redis cannot be used at the start of the program. Says where it was sought, never with which password. */
export class RedisUnavailable extends Schema.TaggedError<RedisUnavailable>()(
  "@devops-mcp/cache/RedisConnection/RedisUnavailable",
  { host: Schema.String, port: Schema.Int, reason: Schema.String }
) {
  override get message() {
    return `Redis at ${this.host}:${this.port} (REDIS_URL) cannot be used: ${this.reason}`
  }
}

const RedisUrl = Schema.URLFromString.check(
  Schema.makeFilter((url) => ["redis:", "rediss:"].includes(url.protocol) && url.hostname !== "", {
    expected: "a URL that begins with redis:// or rediss://"
  })
)

/** `REDIS_URL`; what is wrong with it is said without its value. */
export const redisUrl: Config.Config<Redacted.Redacted<URL>> = Config.schema(
  Schema.RedactedFromValue(RedisUrl),
  "REDIS_URL"
)

/** Keys and channels of this product in a Redis it may share. */
export const redisPrefix = "devops-mcp:"

/** What ioredis says of a failure without what it was asked: its errors carry the command with all its arguments. */
export const redisFailure = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/**
 * The program's two connections to Redis, one for commands and one that only listens. Lost ones are made again for
 * ever; meanwhile commands fail at once. A command whose answer was lost fails and is never sent twice: a second
 * `SET NX` would deny the caller what the first one won.
 */
export class RedisConnection extends Context.Service<
  RedisConnection,
  {
    readonly commands: Redis
    readonly subscriber: Redis
  }
>()("@devops-mcp/cache/RedisConnection") {}

const connect = Effect.fnUntraced(function* (url: URL, connectionName: string) {
  const { Redis } = yield* Effect.promise(() => import("ioredis"))
  const host = url.hostname
  const port = Number(url.port || "6379")
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const state: { problem: string | undefined; started: boolean } = { problem: undefined, started: false }
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const client = new Redis(url.href, {
        connectionName: `devops-mcp-${connectionName}`,
        lazyConnect: true,
        autoResubscribe: false,
        connectTimeout: Duration.toMillis(redisConnectTimeout),
        commandTimeout: Duration.toMillis(redisCommandTimeout),
        enableOfflineQueue: false,
        // What requests ask at the same time is written at once: each write costs more than a command does.
        enableAutoPipelining: true,
        maxRetriesPerRequest: 0,
        autoResendUnfulfilledCommands: false,
        retryStrategy: redisReconnectDelay
      })
      client.on("error", (cause) => {
        const known = state.problem !== undefined
        state.problem = redisFailure(cause)
        if (state.started && !known) run(Effect.logWarning(`Redis at ${host}:${port} is lost: ${state.problem}`))
      })
      client.on("ready", () => {
        if (state.started && state.problem !== undefined) run(Effect.logInfo(`Redis at ${host}:${port} is back`))
        state.problem = undefined
      })
      return client
    }),
    (client) => Effect.sync(() => client.disconnect())
  )
  const unavailable = (reason: string) => new RedisUnavailable({ host, port, reason })
  yield* Effect.tryPromise({
    try: () => client.connect(),
    catch: (cause) => unavailable(state.problem ?? redisFailure(cause))
  }).pipe(
    Effect.timeoutOrElse({
      duration: redisConnectTimeout,
      orElse: () => Effect.fail(unavailable(state.problem ?? `no answer in ${Duration.format(redisConnectTimeout)}`))
    })
  )
  state.started = true
  return client
})

/** Connects at once: a Redis that was configured and is not there stops the program with one clear sentence. */
export const layer = (url: Redacted.Redacted<URL>): Layer.Layer<RedisConnection, RedisUnavailable> =>
  Layer.effect(
    RedisConnection,
    Effect.all(
      {
        commands: connect(Redacted.value(url), "commands"),
        subscriber: connect(Redacted.value(url), "subscriber")
      },
      { concurrency: 2 }
    )
  )
