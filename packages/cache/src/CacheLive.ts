import type { Bus } from "@devops-mcp/core/ports/Bus"
import type { Cache } from "@devops-mcp/core/ports/Cache"
import { Config, Effect, Layer, Option } from "effect"
import * as BusMemory from "./BusMemory.ts"
import * as BusRedis from "./BusRedis.ts"
import * as CacheMemory from "./CacheMemory.ts"
import * as CacheRedis from "./CacheRedis.ts"
import * as RedisConnection from "./RedisConnection.ts"

const memory = Layer.merge(CacheMemory.layer, BusMemory.layer)

const redis = Layer.merge(CacheRedis.layer, BusRedis.layer)

/** Redis when `REDIS_URL` is set, else this process. */
export const CacheLive: Layer.Layer<Cache | Bus, Config.ConfigError | RedisConnection.RedisUnavailable> = Layer.unwrap(
  Effect.map(
    Config.option(RedisConnection.redisUrl),
    Option.match({
      onNone: () => memory,
      onSome: (url) => Layer.provide(redis, RedisConnection.layer(url))
    })
  )
)
