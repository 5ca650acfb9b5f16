import { Cache } from "@devops-mcp/core/ports/Cache"
import { cacheRequests } from "@devops-mcp/observability/Metrics"
import { Effect, Exit, Layer, Metric, Option } from "effect"

const counter = (operation: string, result: string) => Metric.withAttributes(cacheRequests, { operation, result })

/** Counts how an operation ended, by what it answered. */
const counted = <A>(operation: string, resultOf: (answer: A) => string, results: ReadonlyArray<string>) => {
  const counters = new Map([...results, "error"].map((result) => [result, counter(operation, result)]))
  return <E>(request: Effect.Effect<A, E>) =>
    Effect.onExit(request, (exit) => {
      const found = counters.get(Exit.isSuccess(exit) ? resultOf(exit.value) : "error")
      return found === undefined ? Effect.void : Metric.update(found, 1)
    })
}

const get = counted("get", (found: Option.Option<string>) => (Option.isSome(found) ? "hit" : "miss"), ["hit", "miss"])
const set = counted<void>("set", () => "done", ["done"])
const setIfAbsent = counted("setIfAbsent", (isFirst: boolean) => (isFirst ? "first" : "present"), ["first", "present"])
const remove = counted<void>("delete", () => "done", ["done"])

/** The cache that is provided, with its requests counted. */
export const layer = Layer.effect(
  Cache,
  Effect.map(Cache, (cache) =>
    Cache.of({
      get: (key) => get(cache.get(key)),
      set: (key, value, timeToLive) => set(cache.set(key, value, timeToLive)),
      setIfAbsent: (key, value, timeToLive) => setIfAbsent(cache.setIfAbsent(key, value, timeToLive)),
      delete: (key) => remove(cache.delete(key))
    })
  )
)
