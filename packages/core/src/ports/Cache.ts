import { Context, Schema, type Duration, type Effect, type Option } from "effect"

/** The cache's server did not answer. Callers go on without the cache. */
export class CacheError extends Schema.TaggedError<CacheError>()("@devops-mcp/core/ports/Cache/CacheError", {
  operation: Schema.Literals(["get", "set", "setIfAbsent", "delete"]),
  cause: Schema.Defect()
}) {
  override get message() {
    return `The cache could not ${this.operation}`
  }
}

/**
 * Values that may be forgotten, shared by all replicas when Redis is configured. An entry is gone once its
 * time to live has passed. `setIfAbsent` answers true to exactly one of any number of concurrent callers.
 */
export class Cache extends Context.Service<
  Cache,
  {
    readonly get: (key: string) => Effect.Effect<Option.Option<string>, CacheError>
    readonly set: (key: string, value: string, timeToLive: Duration.Duration) => Effect.Effect<void, CacheError>
    readonly setIfAbsent: (
      key: string,
      value: string,
      timeToLive: Duration.Duration
    ) => Effect.Effect<boolean, CacheError>
    readonly delete: (key: string) => Effect.Effect<void, CacheError>
  }
>()("@devops-mcp/core/ports/Cache") {}
