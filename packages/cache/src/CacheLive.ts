import type { Bus } from "@devops-mcp/core/ports/Bus"
import type { Cache } from "@devops-mcp/core/ports/Cache"
import type { Limiter } from "@devops-mcp/core/ports/Limiter"
import { Config, Effect, Layer, Option } from "effect"
import * as BusMemory from "./BusMemory.ts"
import * as BusRedis from "./BusRedis.ts"
import * as CacheMemory from "./CacheMemory.ts"
import * as CacheMetrics from "./CacheMetrics.ts"
import * as CacheRedis from "./CacheRedis.ts"
import * as LimiterMemory from "./LimiterMemory.ts"
import * as LimiterRedis from "./LimiterRedis.ts"
import * as RedisConnection from "./RedisConnection.ts"

const counted = <R>(cache: Layer.Layer<Cache, never, R>) => Layer.provide(CacheMetrics.layer, cache)

const memory = Layer.mergeAll(counted(CacheMemory.layer), BusMemory.layer, LimiterMemory.layer)

const redis = Layer.mergeAll(counted(CacheRedis.layer), BusRedis.layer, LimiterRedis.layer)

/** Redis when `REDIS_URL` is set, else this process. */
export const CacheLive: Layer.Layer<Cache | Bus | Limiter, Config.ConfigError | RedisConnection.RedisUnavailable> =
  Layer.unwrap(
    Effect.map(
      Config.option(RedisConnection.redisUrl),
      Option.match({
        onNone: () => memory,
        onSome: (url) => Layer.provide(redis, RedisConnection.layer(url))
      })
    )
  )
