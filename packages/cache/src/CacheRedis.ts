import { Cache, CacheError } from "@devops-mcp/core/ports/Cache"
import { Effect, Layer, Option } from "effect"
import { lifetime } from "./Lifetime.ts"
import { RedisConnection, redisFailure, redisPrefix } from "./RedisConnection.ts"

const keyOf = (key: string) => `${redisPrefix}cache:${key}`

const attempt = <A>(operation: CacheError["operation"], command: () => Promise<A>) =>
  Effect.tryPromise({ try: command, catch: (cause) => new CacheError({ operation, cause: redisFailure(cause) }) })

const make = Effect.gen(function* () {
  const { commands } = yield* RedisConnection
  return Cache.of({
    get: Effect.fn("Cache.get")(function* (key) {
      return Option.fromNullOr(yield* attempt("get", () => commands.get(keyOf(key))))
    }),
    set: Effect.fn("Cache.set")(function* (key, value, timeToLive) {
      yield* attempt("set", () => commands.set(keyOf(key), value, "PX", lifetime(timeToLive)))
    }),
    setIfAbsent: Effect.fn("Cache.setIfAbsent")(function* (key, value, timeToLive) {
      const reply = yield* attempt("setIfAbsent", () =>
        commands.set(keyOf(key), value, "PX", lifetime(timeToLive), "NX")
      )
      return reply === "OK"
    }),
    delete: Effect.fn("Cache.delete")(function* (key) {
      yield* attempt("delete", () => commands.del(keyOf(key)))
    })
  })
})

/** A cache that all replicas share. Redis itself forgets what is old. */
export const layer: Layer.Layer<Cache, never, RedisConnection> = Layer.effect(Cache, make)
