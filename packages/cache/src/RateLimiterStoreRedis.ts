import { Effect, Layer } from "effect"
import { RateLimiter, Redis } from "effect/persistence"
import { RedisConnection, redisFailure, redisPrefix } from "./RedisConnection.ts"

/** What ioredis fails with holds the command; only what is said of it goes on. */
const failed = (cause: unknown) => new Redis.RedisError({ cause: redisFailure(cause) })

const notHere = Effect.fail(failed("The limiter has one connection and listens to nothing"))

const RedisLive = Layer.effect(
  Redis.Redis,
  Effect.gen(function* () {
    const { commands } = yield* RedisConnection
    return yield* Redis.make({
      send: <A>(command: string, ...args: ReadonlyArray<string>) =>
        // What a command answers is known to who sends it.
        Effect.tryPromise({ try: () => commands.call(command, ...args) as Promise<A>, catch: failed }),
      connect: notHere,
      subscribe: () => notHere
    })
  })
)

/** Effect's store in the Redis that all replicas share. Their clocks must agree to within a second or so. */
export const layer: Layer.Layer<RateLimiter.RateLimiterStore, never, RedisConnection> = RateLimiter.layerStoreRedis({
  prefix: `${redisPrefix}limit:`
}).pipe(Layer.provide(RedisLive))
